// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Files of a detached tree by a mount of their own.

use crate::vfs::identity::is_attached_here;
use crate::vfs::tree::Tree;
use rustix::fd::BorrowedFd;

/// A mount of this file alone, if the file is in a detached tree; `None` where it is not, or the kernel can't make one.
///
/// What keeps a file open (a loop device, erofs) keeps the mount that it was opened through. If what is mounted from it
/// comes into the same detached tree, the two keep each other: such a tree is taken apart only when nobody uses it any more
/// (`dissolve_on_fput`, fs/namespace.c), so tree and device would stay until the machine is started again.
pub(crate) fn apart_from_tree(file: BorrowedFd<'_>) -> Option<Tree> {
    match is_attached_here(file) {
        Ok(false) => Tree::clone_of(file, "", false).ok(),
        _ => None,
    }
}
