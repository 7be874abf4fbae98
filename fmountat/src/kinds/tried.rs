// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One mount as it was tried: what `diagnose` needs to know of a failure.

use crate::kinds::filesystem::FsOption;
use crate::kinds::overlay::Overlay;
use rustix::fd::BorrowedFd;
use std::ffi::OsStr;
use std::path::Path;

/// The mount that failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tried<'a> {
    /// Where relative paths start.
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
