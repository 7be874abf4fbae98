// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Verifies that a mount is at its target: resolves the target again, inside the root that it must
//! not leave.

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

/// The maximum number of stacked mounts to search. Another process may stack mounts on ours during
/// the search, but it does not stack more than this by accident.
const STACK: usize = 256;

/// Verifies that the mount `id` with the root `fd` is seen at `target`, or is below mounts that
/// others stacked on it since. Detaches it if it is not.
pub(crate) fn verify(target: &Target, fd: BorrowedFd<'_>, id: MountId) -> Result<()> {
    verify_with(target, fd, id, || {
        // In a detached tree this fails harmlessly: the tree is dissolved as a whole.
        let _ = take_back(fd);
    })
}

/// Verifies as [`verify`] does, and calls `take_back` to detach the mount.
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
    if has_mount_on_top(fd, id) {
        return Err(error.with_hint(
            "unmount both: another mount covers the new one, so it could not be \
                                    removed",
        ));
    }
    take_back();
    Err(error)
}

/// Returns the error for a target that can't be resolved again: a path that no longer leads
/// anywhere was moved.
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
    // The target shows the root of another mount, which may be stacked on ours.
    if !can_ask(id) {
        return is_below_in_table(MountinfoId::of(seen.as_fd())?, MountinfoId::of(fd)?);
    }
    for _ in 0..STACK {
        let Some(basic) = ask(top, MNT_BASIC).and_then(|stat| stat.basic) else { return Ok(false) };
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

/// Reports whether the mount with the root `fd` is the topmost at its place: umount2(2) unmounts
/// the topmost mount.
pub(crate) fn is_on_top(fd: BorrowedFd<'_>) -> bool {
    MountId::of(fd).is_ok_and(|id| !has_mount_on_top(fd, id))
}

/// Reports whether another mount is on the root of this one.
fn has_mount_on_top(fd: BorrowedFd<'_>, id: MountId) -> bool {
    if !can_ask(id) {
        return MountinfoId::of(fd).is_ok_and(has_mount_on_top_in_table);
    }
    let Ok(below) = mounts_below(id.get(), 0) else { return false };
    let here = point(id);
    below.into_iter().map(MountId::from_number).any(|other| {
        let stat = ask(other, MNT_BASIC | MNT_POINT);
        stat.is_some_and(|stat| {
            stat.basic.is_some_and(|basic| basic.parent == id.get()) && stat.mnt_point == here
        })
    })
}

/// Reports whether statmount(2) exists \[Linux 6.8\] and no filter forbids it. Otherwise mountinfo
/// is read.
fn can_ask(id: MountId) -> bool {
    let can = !matches!(statmount(id.get(), MNT_BASIC), Err(Errno::NOSYS | Errno::PERM));
    trace::strategy(
        "find the mounts on top of a mount",
        if can { "statmount(2)" } else { "/proc/PID/mountinfo" },
    );
    can
}

/// Reports whether `top` is stacked on `below`, directly or with others between. Both are mountinfo
/// ids.
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

fn has_mount_on_top_in_table(id: MountinfoId) -> bool {
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
