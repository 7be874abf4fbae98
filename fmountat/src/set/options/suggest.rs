// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Suggests option names in errors.

use crate::diagnose;
use crate::error::{Error, ErrorKind, Operation};
use crate::set::options::table::userspace_options;
use std::ffi::OsStr;

/// Adds suggestions to the error of an unknown option, before any system call.
pub(crate) fn of_option(error: Error) -> Error {
    diagnose::spelled(error, OsStr::new(""), names)
}

/// Returns the names in the option table.
pub(crate) fn names() -> Vec<&'static str> {
    userspace_options().iter().map(|option| option.name).collect()
}

pub(crate) fn option_error(kind: ErrorKind, option: &OsStr, reason: &str) -> Error {
    Error::new(kind, Operation::ReadOption, reason).with_argument(option)
}
