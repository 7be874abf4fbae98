// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Names of options, for suggestions in errors.

use crate::diagnose;
use crate::error::{Error, ErrorKind, Operation};
use crate::set::options::table::userspace_options;
use std::ffi::OsStr;

/// A word that is neither in the option table nor anything else, before any system call.
pub(crate) fn of_option(error: Error) -> Error {
    diagnose::spelled(error, OsStr::new(""), names)
}

/// The words of the option table.
pub(crate) fn names() -> Vec<&'static str> {
    userspace_options().iter().map(|word| word.name).collect()
}

pub(crate) fn option_error(kind: ErrorKind, word: &OsStr, reason: &str) -> Error {
    Error::new(kind, Operation::ReadOption, reason).with_argument(word)
}
