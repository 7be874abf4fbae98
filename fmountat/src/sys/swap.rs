// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two calls of a swap, made by a child that outlives its caller: after `kill -9` between the
//! two, one mount would be left beneath the other.

use crate::sys::detach_by_id::{NotDetached, detach};
use crate::sys::orphan_task::run_orphan_task;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, StatxFlags};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, UnmountFlags};
use std::ffi::CStr;

/// The arguments of a swap.
#[derive(Debug)]
pub(crate) struct Swap<'a> {
    /// The root of a detached tree.
    pub(crate) new: BorrowedFd<'a>,
    /// The root of the mount to be replaced.
    pub(crate) target: BorrowedFd<'a>,
    /// The same, by the name of its descriptor in /proc.
    pub(crate) name: &'a CStr,
    /// Its id, as statx(2) returns it with `mask`.
    pub(crate) old: u64,
    pub(crate) mask: StatxFlags,
    /// The path of the target: the directory where it starts, the path, and whether it must not
    /// leave that directory.
    pub(crate) start: BorrowedFd<'a>,
    pub(crate) path: &'a CStr,
    pub(crate) in_root: bool,
}

/// The step that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotSwapped {
    /// clone(2): nothing was changed.
    Clone(Errno),
    /// move_mount(2): nothing was changed.
    Move(Errno),
    /// The new tree is beneath the old mount, and the path leads to another mount or to none.
    NoLongerOnTop,
    /// The new tree is beneath the old mount: umount2(2) failed repeatedly.
    Detach(Errno),
    /// Another mount is on top of the old one: nothing was changed.
    NotOnTop,
    /// The old mount was detached and the new tree could not be attached: a copy of the old tree
    /// was attached.
    Restored(Errno),
    /// As before, and the copy could not be attached either.
    Lost(Errno),
}

type Run = fn(&Swap<'_>, Option<BorrowedFd<'_>>) -> Result<(), NotSwapped>;

/// openat2(2) returns `EAGAIN` if directories of the path are renamed meanwhile.
const RETRIES: usize = 128;

fn run(swap: &Swap<'_>, _: Option<BorrowedFd<'_>>) -> Result<(), NotSwapped> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH
        | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH
        | MoveMountFlags::MOVE_MOUNT_BENEATH;
    rustix::mount::move_mount(swap.new, c"", swap.target, c"", flags).map_err(NotSwapped::Move)?;
    let detached = detach(swap.name, UnmountFlags::empty(), swap.old, || top(swap));
    detached.map_err(|error| match error {
        NotDetached::NotOnTop => NotSwapped::NoLongerOnTop,
        NotDetached::Refused(errno) => NotSwapped::Detach(errno),
    })
}

/// Returns the id of the mount that the path leads to.
pub(crate) fn top(swap: &Swap<'_>) -> Result<u64, Errno> {
    let seen = open_target(swap)?;
    let look = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    Ok(rustix::fs::statx(seen.as_fd(), c"", look, swap.mask)?.stx_mnt_id)
}

/// Opens the file that the path leads to now.
pub(crate) fn open_target(swap: &Swap<'_>) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let mut retries = 0;
    loop {
        let opened = match swap.in_root {
            true => {
                let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
                rustix::fs::openat2(swap.start, swap.path, flags, Mode::empty(), resolve)
            }
            false => rustix::fs::openat(swap.start, swap.path, flags, Mode::empty()),
        };
        match opened {
            Err(Errno::AGAIN | Errno::INTR) if retries < RETRIES => retries += 1,
            opened => break opened,
        }
    }
}

/// Attaches the new tree beneath the old mount and detaches the old mount.
pub(crate) fn swap(swap: &Swap<'_>) -> Result<(), NotSwapped> {
    with_child(swap, None, run)
}

pub(crate) fn with_child(swap: &Swap<'_>, copy: Option<BorrowedFd<'_>>, run: Run) -> Result<(), NotSwapped> {
    // SAFETY: each `run` makes only rustix's system calls, on arguments that `swap` holds.
    match unsafe { run_orphan_task(|| run(swap, copy)) } {
        Err(errno) => Err(NotSwapped::Clone(errno)),
        // A child that a filter killed left no result. It was killed at the first call that the
        // filter forbids.
        Ok(answer) => answer.unwrap_or(Err(NotSwapped::Move(Errno::PERM))),
    }
}
