// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A failed mount, described for `diagnose`.

use crate::kinds::filesystem::FsOption;
use crate::kinds::overlay::Overlay;
use rustix::fd::BorrowedFd;
use std::ffi::OsStr;
use std::path::Path;

/// The mount that failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tried<'a> {
    /// The directory that relative paths are resolved from.
    pub(crate) dir: BorrowedFd<'a>,
    pub(crate) source: &'a Path,
    pub(crate) what: What<'a>,
    /// Names of the userspace options, for suggestions.
    pub(crate) userspace_options: fn() -> Vec<&'static str>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum What<'a> {
    Overlay(&'a Overlay),
    Bind { recursive: bool },
    Filesystem(&'a OsStr, &'a [FsOption]),
}
