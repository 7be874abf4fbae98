// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A clone of a single file's mount, so that an open file does not pin its detached tree.

use crate::vfs::identity::is_attached_here;
use crate::vfs::tree::Tree;
use rustix::fd::BorrowedFd;

/// Returns a mount of this file alone if the file is in a detached tree. Returns `None` if it is
/// not, or if the kernel can't make such a mount.
///
/// A user of a file (a loop device, erofs) pins the mount that the file was opened through. If the
/// file system on it is then attached in the same detached tree, the two pin each other. The kernel
/// dissolves a detached tree only when nothing pins it (`dissolve_on_fput`, fs/namespace.c): tree
/// and device would remain until reboot.
pub(crate) fn apart_from_tree(file: BorrowedFd<'_>) -> Option<Tree> {
    match is_attached_here(file) {
        Ok(false) => Tree::clone_of(file, "", false).ok(),
        _ => None,
    }
}
