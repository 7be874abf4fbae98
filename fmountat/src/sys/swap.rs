// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two calls of a swap, made by a child that outlives its caller: after `kill -9` between the two, one mount would be left
//! beneath the other.

use crate::sys::detach_by_id::{Stays, take_away};
use crate::sys::orphan_task::outlive;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, StatxFlags};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, UnmountFlags};
use std::ffi::CStr;

/// What goes beneath what, and how to see what is on top there.
#[derive(Debug)]
pub(crate) struct Swap<'a> {
    /// The root of a detached tree.
    pub(crate) new: BorrowedFd<'a>,
    /// The root of the mount that is to go.
    pub(crate) target: BorrowedFd<'a>,
    /// The same, by its name in /proc.
    pub(crate) name: &'a CStr,
    /// Its id, as statx(2) gives it with `mask`.
    pub(crate) old: u64,
    pub(crate) mask: StatxFlags,
    /// The path that leads to it, whether that must not leave the directory it starts at.
    pub(crate) start: BorrowedFd<'a>,
    pub(crate) path: &'a CStr,
    pub(crate) in_root: bool,
}

/// How far it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotSwapped {
    /// Nothing was done.
    Clone(Errno),
    /// move_mount(2): nothing was done.
    Move(Errno),
    /// The new tree is beneath; the path shows another mount than the old one, or none.
    Covered,
    /// The new tree is beneath; umount2(2), again and again.
    TakeAway(Errno),
    /// Another mount than the old one is on top: nothing was done.
    NotOnTop,
    /// The old mount was taken away and the new one could not be attached: a copy of the old one is there.
    PutBack(Errno),
    /// The same, and the copy could not be attached either.
    Lost(Errno),
}

type Run = fn(&Swap<'_>, Option<BorrowedFd<'_>>) -> Result<(), NotSwapped>;

/// openat2(2) answers `EAGAIN` to renames on the way.
const LOOKS: usize = 128;

fn run(swap: &Swap<'_>, _: Option<BorrowedFd<'_>>) -> Result<(), NotSwapped> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH
        | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH
        | MoveMountFlags::MOVE_MOUNT_BENEATH;
    rustix::mount::move_mount(swap.new, c"", swap.target, c"", flags).map_err(NotSwapped::Move)?;
    let taken = take_away(swap.name, UnmountFlags::empty(), swap.old, || top(swap));
    taken.map_err(|stays| match stays {
        Stays::Covered => NotSwapped::Covered,
        Stays::Refused(errno) => NotSwapped::TakeAway(errno),
    })
}

/// The id of the mount that the path leads to.
pub(crate) fn top(swap: &Swap<'_>) -> Result<u64, Errno> {
    let seen = open_place(swap)?;
    let look = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    Ok(rustix::fs::statx(seen.as_fd(), c"", look, swap.mask)?.stx_mnt_id)
}

/// What is seen at the path now.
pub(crate) fn open_place(swap: &Swap<'_>) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let mut looks = 0;
    loop {
        let opened = match swap.in_root {
            true => {
                let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
                rustix::fs::openat2(swap.start, swap.path, flags, Mode::empty(), resolve)
            }
            false => rustix::fs::openat(swap.start, swap.path, flags, Mode::empty()),
        };
        match opened {
            Err(Errno::AGAIN | Errno::INTR) if looks < LOOKS => looks += 1,
            opened => break opened,
        }
    }
}

/// Puts the new tree beneath and takes the old mount away.
pub(crate) fn swap(swap: &Swap<'_>) -> Result<(), NotSwapped> {
    with_child(swap, None, run)
}

pub(crate) fn with_child(swap: &Swap<'_>, copy: Option<BorrowedFd<'_>>, run: Run) -> Result<(), NotSwapped> {
    // SAFETY: each `run` makes rustix's system calls on what `swap` has ready.
    match unsafe { outlive(|| run(swap, copy)) } {
        Err(errno) => Err(NotSwapped::Clone(errno)),
        // A child that a filter killed has left no answer: it was at its first call that the filter does not know.
        Ok(answer) => answer.unwrap_or(Err(NotSwapped::Move(Errno::PERM))),
    }
}
