// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Counts the mounts of a tree where they have no unique ids.

use crate::mountinfo;
use crate::mountinfo::MountEntry;
use crate::mountinfo::id::MountinfoId;
use crate::sys::procfs::path_of;
use crate::vfs::target::Target;
use rustix::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// Counts the mount with this id and all mounts in it.
pub(crate) fn mounts_of(id: MountinfoId) -> Option<usize> {
    Some(mountinfo::deepest_first(&mountinfo::read().ok()?, id).len())
}

/// As [`mounts_in_copy`] of what is at `path`.
pub(crate) fn mounts_in(dir: BorrowedFd<'_>, path: &Path) -> Option<usize> {
    mounts_in_copy(Target::open(dir, path).ok()?.as_fd())
}

/// How many a recursive copy has, before it is mounted.
pub(crate) fn mounts_in_copy(source: BorrowedFd<'_>) -> Option<usize> {
    let id = MountinfoId::of(source).ok()?;
    let inside = path_of(source).ok()?;
    let table = mountinfo::read().ok()?;
    let is_copied =
        |entry: &&MountEntry| entry.id == id || entry.target.starts_with(&inside) && !entry.unbindable;
    Some(mountinfo::deepest_first(&table, id).into_iter().filter(is_copied).count())
}
