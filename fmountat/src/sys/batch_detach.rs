// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mounts gathered below one mount, which is then taken away with all of them: by a child that outlives its caller, since
//! `kill -9` in the middle would leave them where nobody looks for them.

use crate::sys::attr::{MountAttrRaw, mount_setattr};
use crate::sys::detach_by_id::{Stays, take_away};
use crate::sys::orphan_task::outlive;
use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, CWD, StatxFlags};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, UnmountFlags};
use std::ffi::CStr;

/// What is gathered where.
#[derive(Debug)]
pub(crate) struct Gather<'a> {
    /// The root of a detached mount.
    pub(crate) tree: BorrowedFd<'a>,
    /// Its id, as statx(2) gives it with `mask`.
    pub(crate) id: u64,
    pub(crate) mask: StatxFlags,
    /// What it is put over: the root of a mount that is to go too.
    pub(crate) base: BorrowedFd<'a>,
    /// The same for umount2(2), by a descriptor's name in /proc.
    pub(crate) name: &'a CStr,
    /// The root of each mount, and the directory of `tree` that it goes to.
    pub(crate) moves: &'a [(BorrowedFd<'a>, BorrowedFd<'a>)],
}

/// How far it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failed {
    /// Nothing was done.
    Attach(Errno),
    /// Gathered; another mount is on top there.
    Covered,
    /// Gathered; umount2(2), again and again.
    TakeAway(Errno),
}

/// Does it. A mount that the kernel does not move stays where it is, and its number in `moved` is false.
pub(crate) fn gather(gather: &Gather<'_>, moved: &mut [bool]) -> Result<(), Failed> {
    // SAFETY: `run` makes system calls on what is ready, and writes to a slice of the caller's.
    let done = unsafe { outlive(|| run(gather, moved)) };
    match done {
        Err(errno) => Err(Failed::Attach(errno)),
        Ok(answer) => answer.unwrap_or(Err(Failed::TakeAway(Errno::PERM))),
    }
}

fn run(gather: &Gather<'_>, moved: &mut [bool]) -> Result<(), Failed> {
    move_mount(gather.tree, gather.base).map_err(Failed::Attach)?;
    // Below a shared mount it is shared itself now, and what is moved to it would be seen by its peers.
    let private = MountAttrRaw { propagation: crate::sys::ms::MS_PRIVATE, ..MountAttrRaw::default() };
    if mount_setattr(gather.tree, c"", AtFlags::EMPTY_PATH.bits(), &private).is_ok() {
        for ((root, room), moved) in gather.moves.iter().zip(moved) {
            *moved = move_mount(*root, *room).is_ok();
        }
    }
    let taken = take_away(gather.name, UnmountFlags::NOFOLLOW, gather.id, || top(gather));
    taken.map_err(|stays| match stays {
        Stays::Covered => Failed::Covered,
        Stays::Refused(errno) => Failed::TakeAway(errno),
    })
}

/// The mount that is seen there. No descriptor is needed, of which there may be none left.
fn top(gather: &Gather<'_>) -> Result<u64, Errno> {
    let look = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::STATX_DONT_SYNC;
    Ok(rustix::fs::statx(CWD, gather.name, look, gather.mask)?.stx_mnt_id)
}

fn move_mount(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(from, c"", to, c"", flags)
}
