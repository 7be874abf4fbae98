// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Moves mounts below one mount and detaches that mount with all of them. A child that outlives its
//! caller does this: after `kill -9` in between, nobody would find the moved mounts.

use crate::sys::attr::{MountAttrRaw, mount_setattr};
use crate::sys::detach_by_id::{NotDetached, detach};
use crate::sys::orphan_task::run_orphan_task;
use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, CWD, StatxFlags};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, UnmountFlags};
use std::ffi::CStr;

/// The mounts to detach, and the mount below which they are moved.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    /// The root of a detached mount.
    pub(crate) tree: BorrowedFd<'a>,
    /// The id of its mount, as statx(2) returns it with `mask`.
    pub(crate) id: u64,
    pub(crate) mask: StatxFlags,
    /// The root of a mount that is to be detached too; `tree` is attached on it.
    pub(crate) base: BorrowedFd<'a>,
    /// The same place for umount2(2): the name of a descriptor in /proc.
    pub(crate) name: &'a CStr,
    /// The root of each mount, and the directory of `tree` to which it is moved.
    pub(crate) moves: &'a [(BorrowedFd<'a>, BorrowedFd<'a>)],
}

/// The step that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failed {
    /// move_mount(2) of `tree`: nothing was changed.
    Attach(Errno),
    /// The mounts were moved, but another mount is on top of `tree`.
    Covered,
    /// The mounts were moved, but umount2(2) failed repeatedly.
    Detach(Errno),
}

/// Moves the mounts and detaches them. A mount that the kernel refuses to move is left attached,
/// and its entry in `moved` is false.
pub(crate) fn batch_detach(batch: &Batch<'_>, moved: &mut [bool]) -> Result<(), Failed> {
    // SAFETY: `run` makes system calls on arguments that exist already, and writes to a slice of
    // the caller's.
    let done = unsafe { run_orphan_task(|| run(batch, moved)) };
    match done {
        Err(errno) => Err(Failed::Attach(errno)),
        Ok(answer) => answer.unwrap_or(Err(Failed::Detach(Errno::PERM))),
    }
}

fn run(batch: &Batch<'_>, moved: &mut [bool]) -> Result<(), Failed> {
    move_mount(batch.tree, batch.base).map_err(Failed::Attach)?;
    // On a shared mount the tree has become shared too: mounts moved to it would propagate.
    let private = MountAttrRaw { propagation: crate::sys::ms::MS_PRIVATE, ..MountAttrRaw::default() };
    if mount_setattr(batch.tree, c"", AtFlags::EMPTY_PATH.bits(), &private).is_ok() {
        for ((root, room), moved) in batch.moves.iter().zip(moved) {
            *moved = move_mount(*root, *room).is_ok();
        }
    }
    let detached = detach(batch.name, UnmountFlags::NOFOLLOW, batch.id, || top(batch));
    detached.map_err(|error| match error {
        NotDetached::NotOnTop => Failed::Covered,
        NotDetached::Refused(errno) => Failed::Detach(errno),
    })
}

/// Returns the id of the topmost mount there. Uses no descriptor, because none may be left.
fn top(batch: &Batch<'_>) -> Result<u64, Errno> {
    let look = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::STATX_DONT_SYNC;
    Ok(rustix::fs::statx(CWD, batch.name, look, batch.mask)?.stx_mnt_id)
}

fn move_mount(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(from, c"", to, c"", flags)
}
