// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A step that failed, with what looking around tells about it.

use super::plan::{Step, What};
use super::words::option_words;
use crate::diagnose::{self, About, step};
use crate::error::{Error, ErrorKind};
use crate::kinds::overlay::Overlay;
use crate::vfs::identity::mounted_type;
use crate::vfs::target::Target;
use rustix::fd::{AsFd, BorrowedFd};
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Looks into the failure of a step whose relative paths start at `dir`.
pub(super) fn why(error: Error, dir: BorrowedFd<'_>, failed: &Step) -> Error {
    step(error, &about(dir, failed))
}

/// The step as it is looked into.
pub(super) fn about<'a>(dir: BorrowedFd<'a>, step: &'a Step) -> About<'a> {
    let what = match &step.what {
        What::Overlay(overlay) => diagnose::What::Overlay(overlay),
        What::Bind { recursive } => diagnose::What::Bind { recursive: *recursive },
        What::Filesystem(fstype) => diagnose::What::Filesystem(fstype, &step.options.words),
    };
    About { dir, source: &step.source, what, option_words: names }
}

/// A word that is neither in the option table nor anything else, before any system call.
pub(super) fn of_word(error: Error) -> Error {
    diagnose::spelled(error, OsStr::new(""), names)
}

/// The words of the option table.
pub(super) fn names() -> Vec<&'static str> {
    option_words().iter().map(|word| word.name).collect()
}

/// The same for an overlay by itself.
pub(super) fn of_overlay(error: Error, dir: BorrowedFd<'_>, overlay: &Overlay) -> Error {
    let what = diagnose::What::Overlay(overlay);
    step(error, &About { dir, source: Path::new("overlay"), what, option_words: names })
}

/// The failure of a change to the mount at `target`.
pub(super) fn of_change(error: Error, target: &Target) -> Error {
    let fstype = match error.kind() {
        ErrorKind::UnknownOption => mounted_type(target.as_fd()).unwrap_or_default(),
        _ => OsString::new(),
    };
    let what = diagnose::What::Filesystem(&fstype, &[]);
    step(error, &About { dir: target.as_fd(), source: target.path(), what, option_words: names })
}
