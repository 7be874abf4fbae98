// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The mount that a descriptor is on, told by `/proc/PID/fdinfo` without asking the file system.

use crate::mountinfo::id::MountinfoId;
use crate::sys::procfs;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd};
use rustix::fs::{CWD, Mode, OFlags};
use std::path::Path;

/// The id that mountinfo has for the mount that `fd` is on.
pub(crate) fn mount_number(fd: BorrowedFd<'_>) -> Option<MountinfoId> {
    number_in(&procfs::text(&format!("thread-self/fdinfo/{}", fd.as_raw_fd())).ok()?)
}

/// The number in the text of such a file.
pub(crate) fn number_in(text: &str) -> Option<MountinfoId> {
    let number = text.lines().find_map(|line| line.strip_prefix("mnt_id:"))?.trim();
    number.parse().ok().map(MountinfoId::from_number)
}

/// The same for what `path` leads to.
pub(crate) fn mount_number_at(path: &Path) -> Option<MountinfoId> {
    let fd = rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
    mount_number(fd.as_fd())
}
