// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A swap for kernels that can't put a mount beneath another (before 6.5): the old one is taken away and the new one attached
//! at once, with a moment between in which neither is seen. A child makes the calls, as for a swap without one.

use crate::sys::swap::{NotSwapped, Swap, open_place, top, with_child};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, UnmountFlags};

/// Takes the old mount away and attaches the new tree there; should that fail, `copy`, a detached copy of the old tree.
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
        let place = open_place(swap)?;
        rustix::mount::move_mount(tree, c"", place.as_fd(), c"", flags)
    };
    let Err(errno) = attach(swap.new) else { return Ok(()) };
    match copy.map_or(Err(Errno::NOENT), attach) {
        Ok(()) => Err(NotSwapped::PutBack(errno)),
        Err(_) => Err(NotSwapped::Lost(errno)),
    }
}
