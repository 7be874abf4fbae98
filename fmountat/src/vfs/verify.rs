// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether a mount landed where it should: its place is looked up once more, inside the root that it must not leave.

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::mountinfo;
use crate::mountinfo::id::{MountId, MountinfoId};
use crate::sys::listmount::mounts_below;
use crate::sys::statmount::{MNT_BASIC, MNT_POINT, StatMount, statmount};
use crate::trace;
use crate::vfs::detach::take_back;
use crate::vfs::identity::is_mount_root;
use crate::vfs::target::Target;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use std::path::Path;

/// Others may stack mounts on ours at once, and as fast as we look; more than this nobody does by accident.
const STACK: usize = 256;

/// The mount `id` with the root `fd` went onto `target`: if it is not seen there now, nor beneath what others have put
/// over it since, it is taken back.
pub(crate) fn verify(target: &Target, fd: BorrowedFd<'_>, id: MountId) -> Result<()> {
    verify_with(target, fd, id, || {
        // In a detached tree there is nothing to take back: that one goes as a whole.
        let _ = take_back(fd);
    })
}

/// The same, with the caller's way to take it back.
pub(crate) fn verify_with(
    target: &Target,
    fd: BorrowedFd<'_>,
    id: MountId,
    take_back: impl FnOnce(),
) -> Result<()> {
    let error = match is_in_place(target, fd, id) {
        Ok(true) => return Ok(()),
        Ok(false) => moved(target.path()),
        Err(error) => moved_or(error, target.path()),
    };
    if is_covered(fd, id) {
        return Err(
            error.with_hint("unmount both: another mount covers the new one, so it could not be removed")
        );
    }
    take_back();
    Err(error)
}

/// The failure to look at a place again: one whose name is gone, or leads elsewhere now, was moved.
pub(crate) fn moved_or(error: Error, path: &Path) -> Error {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::TargetMoved => moved(path),
        _ => error.with_operation(Operation::VerifyTarget),
    }
}

fn is_in_place(target: &Target, fd: BorrowedFd<'_>, id: MountId) -> Result<bool> {
    let seen = target.seen_now()?;
    let mut top = MountId::of(seen.as_fd())?;
    if top == id {
        return Ok(true);
    }
    if target.is_the_root()? {
        return Ok(true);
    }
    if !is_mount_root(seen.as_fd())? {
        return Ok(false);
    }
    // What is seen is another mount's root: it may be stacked on ours.
    if !can_ask(id) {
        return is_below_in_table(MountinfoId::of(seen.as_fd())?, MountinfoId::of(fd)?);
    }
    for _ in 0..STACK {
        let Some(basic) = ask(top, MNT_BASIC).and_then(|told| told.basic) else { return Ok(false) };
        let (below, here) = (MountId::from_number(basic.parent), point(top));
        if below == top || here.is_none() || point(below) != here {
            return Ok(false);
        }
        if below == id {
            return Ok(true);
        }
        top = below;
    }
    Ok(false)
}

/// Whether the mount that `fd` is the root of is the one that umount2(2) would take there, which takes the top.
pub(crate) fn is_on_top(fd: BorrowedFd<'_>) -> bool {
    MountId::of(fd).is_ok_and(|id| !is_covered(fd, id))
}

/// Whether another mount is on the root of this one.
fn is_covered(fd: BorrowedFd<'_>, id: MountId) -> bool {
    if !can_ask(id) {
        return MountinfoId::of(fd).is_ok_and(is_covered_in_table);
    }
    let Ok(below) = mounts_below(id.get(), 0) else { return false };
    let here = point(id);
    below.into_iter().map(MountId::from_number).any(|other| {
        let told = ask(other, MNT_BASIC | MNT_POINT);
        told.is_some_and(|told| {
            told.basic.is_some_and(|basic| basic.parent == id.get()) && told.mnt_point == here
        })
    })
}

/// Whether statmount(2) is there \[Linux 6.8\] and no filter forbids it; else the table tells.
fn can_ask(id: MountId) -> bool {
    let can = !matches!(statmount(id.get(), MNT_BASIC), Err(Errno::NOSYS | Errno::PERM));
    trace::strategy(
        "find the mounts on top of a mount",
        if can { "statmount(2)" } else { "/proc/PID/mountinfo" },
    );
    can
}

/// Whether `top` is stacked, be it with others between, on `below`: numbers of mountinfo.
fn is_below_in_table(mut top: MountinfoId, below: MountinfoId) -> Result<bool> {
    let table = mountinfo::read()?;
    let find = |id| table.iter().find(|entry| entry.id == id);
    for _ in 0..STACK {
        let Some((over, under)) = find(top).and_then(|over| Some((over, find(over.parent)?))) else { break };
        if over.id == under.id || over.target != under.target {
            break;
        }
        if under.id == below {
            return Ok(true);
        }
        top = under.id;
    }
    Ok(false)
}

fn is_covered_in_table(id: MountinfoId) -> bool {
    let Ok(table) = mountinfo::read() else { return false };
    let here = table.iter().find(|entry| entry.id == id);
    here.is_some_and(|here| table.iter().any(|other| other.parent == id && other.target == here.target))
}

fn point(id: MountId) -> Option<Vec<u8>> {
    ask(id, MNT_POINT)?.mnt_point
}

fn ask(id: MountId, mask: u64) -> Option<StatMount> {
    statmount(id.get(), mask).ok()
}

pub(crate) fn moved(path: &Path) -> Error {
    let reason = "the target was moved or covered while mounting on it";
    Error::new(ErrorKind::TargetMoved, Operation::VerifyTarget, reason).with_argument(path)
}
