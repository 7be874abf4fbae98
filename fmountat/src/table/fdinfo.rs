// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The mount of a descriptor, from `/proc/PID/fdinfo`, without asking the file system.

use crate::mountinfo::id::MountinfoId;
use crate::sys::procfs;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd};
use rustix::fs::{CWD, Mode, OFlags};
use std::path::Path;

/// Returns the mountinfo id of the mount that `fd` is on.
pub(crate) fn mount_number(fd: BorrowedFd<'_>) -> Option<MountinfoId> {
    number_in(&procfs::text(&format!("thread-self/fdinfo/{}", fd.as_raw_fd())).ok()?)
}

/// Returns the `mnt_id` in the text of an fdinfo file.
pub(crate) fn number_in(text: &str) -> Option<MountinfoId> {
    let number = text.lines().find_map(|line| line.strip_prefix("mnt_id:"))?.trim();
    number.parse().ok().map(MountinfoId::from_number)
}

/// Returns the mountinfo id of the mount that holds `path`.
pub(crate) fn mount_number_at(path: &Path) -> Option<MountinfoId> {
    let fd = rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
    mount_number(fd.as_fd())
}
