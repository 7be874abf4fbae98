// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A swap for kernels that can't attach a mount beneath another (before 6.5). Detaches the old
//! mount and attaches the new tree at once; for a moment neither is visible. A child makes the
//! calls, as in `swap`.

use crate::sys::swap::{NotSwapped, Swap, open_target, top, with_child};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, UnmountFlags};

/// Detaches the old mount and attaches the new tree. If that fails, attaches `copy`, a detached
/// copy of the old tree.
pub(crate) fn swap_with_gap(swap: &Swap<'_>, copy: BorrowedFd<'_>) -> Result<(), NotSwapped> {
    with_child(swap, Some(copy), run)
}

fn run(swap: &Swap<'_>, copy: Option<BorrowedFd<'_>>) -> Result<(), NotSwapped> {
    match top(swap) {
        Ok(id) if id == swap.old => {}
        Ok(_) => return Err(NotSwapped::NotOnTop),
        Err(errno) => return Err(NotSwapped::Move(errno)),
    }
    rustix::mount::unmount(swap.name, UnmountFlags::DETACH).map_err(NotSwapped::Move)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    let attach = |tree: BorrowedFd<'_>| {
        let target = open_target(swap)?;
        rustix::mount::move_mount(tree, c"", target.as_fd(), c"", flags)
    };
    let Err(errno) = attach(swap.new) else { return Ok(()) };
    match copy.map_or(Err(Errno::NOENT), attach) {
        Ok(()) => Err(NotSwapped::Restored(errno)),
        Err(_) => Err(NotSwapped::Lost(errno)),
    }
}
