// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Counts the mounts of a tree, without unique ids.

use crate::mountinfo;
use crate::mountinfo::MountEntry;
use crate::mountinfo::id::MountinfoId;
use crate::sys::procfs::path_of;
use crate::vfs::target::Target;
use rustix::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// Returns the number of mounts in the tree rooted at this id, or `None` if mountinfo cannot be
/// read.
pub(crate) fn mounts_of(id: MountinfoId) -> Option<usize> {
    Some(mountinfo::deepest_first(&mountinfo::read().ok()?, id).len())
}

/// Like [`mounts_in_copy`], for the mount at `path`, relative to `dir`.
pub(crate) fn mounts_in(dir: BorrowedFd<'_>, path: &Path) -> Option<usize> {
    mounts_in_copy(Target::open(dir, path).ok()?.as_fd())
}

/// Returns the number of mounts that a recursive bind mount of `source` would have.
pub(crate) fn mounts_in_copy(source: BorrowedFd<'_>) -> Option<usize> {
    let id = MountinfoId::of(source).ok()?;
    let inside = path_of(source).ok()?;
    let table = mountinfo::read().ok()?;
    let is_copied =
        |entry: &&MountEntry| entry.id == id || entry.target.starts_with(&inside) && !entry.unbindable;
    Some(mountinfo::deepest_first(&table, id).into_iter().filter(is_copied).count())
}
