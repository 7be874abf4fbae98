// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Step by step: each mount attached by itself, in order; what was done is taken back when one fails.

use super::apply::{every_mount_left_out, is_missing_source, mount_point};
use super::classic::{self, Classic};
use super::mounter::Mounter;
use super::piece::{Pieces, set_root_owner};
use super::plan::{Plan, Step};
use super::publish::{Applied, Way};
use crate::error::{Error, ErrorKind, Result};
use crate::vfs::identity::MountId;
use crate::vfs::made::Made;
use crate::vfs::target::{Target, open_in_root};
use crate::vfs::tree::moved;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

pub(super) fn step_by_step(
    mounter: &Mounter,
    dir: BorrowedFd<'_>,
    plan: &Plan,
    target: &Target,
) -> Result<Applied> {
    let pieces = Pieces { mounter, dir, store: None };
    if !mounter.features.new_mount_api {
        for step in &plan.steps {
            classic::check(step).map_err(|e| plan.in_step(step, e))?;
        }
    }
    let mut done = Done { mounted: Vec::new(), made: Made::default() };
    let mut left_out = Vec::new();
    let mut root: Option<OwnedFd> = None;
    for step in &plan.steps {
        match one(&pieces, &mut done, root.as_ref(), target, step) {
            Ok(mounted) if step.is_root() => root = Some(mounted),
            Ok(_) => {}
            Err(error) if step.options.nofail && is_missing_source(&error, step) => {
                left_out.push(step.number);
            }
            Err(error) => return Err(plan.in_step(step, error)),
        }
    }
    let first = done.mounted.first().ok_or_else(every_mount_left_out)?;
    let id = match &root {
        Some(root) => MountId::of(root.as_fd())?,
        None => MountId::of(first.as_fd())?,
    };
    done.mounted.clear();
    done.made.keep();
    Ok(Applied { id, left_out, way: Way::StepByStep })
}

/// The roots of what was mounted so far, taken away again, newest first, unless the list is emptied.
struct Done {
    mounted: Vec<OwnedFd>,
    /// Directories made for mount points; they go after the mounts.
    made: Made,
}

impl Drop for Done {
    fn drop(&mut self) {
        while let Some(fd) = self.mounted.pop() {
            // The error on its way to the caller is the first one. A mount that somebody covered stays beneath: what
            // covers it is not ours to take.
            if classic::is_on_top(fd.as_fd()) {
                let _ = crate::table::unmount::take_back(fd.as_fd());
            }
        }
    }
}

/// Mounts one step at its place; gives its root as it is seen there.
fn one(
    pieces: &Pieces<'_>,
    done: &mut Done,
    root: Option<&OwnedFd>,
    target: &Target,
    step: &Step,
) -> Result<OwnedFd> {
    let base = root.map_or(target.as_fd(), AsFd::as_fd);
    let api = pieces.mounter.features.new_mount_api;
    let piece = if api { Some(pieces.detached(step)?) } else { None };
    let place = match step.is_root() {
        // By its path again: what was mounted there meanwhile is what is seen.
        true => target.again(classic::open_top(target.as_fd())?)?,
        false => mount_point(base, step, || match &piece {
            Some(piece) => crate::vfs::target::is_dir(piece.root()),
            None => classic::is_dir_source(pieces.dir, step),
        })?,
    };
    done.made.take_over(place.made());
    let before = MountId::of(place.as_fd())?;
    let seen = match piece {
        Some(piece) => {
            set_root_owner(piece.root(), step)?;
            let fd = piece.attach(&place).map_err(|e| e.arg(&step.target))?.into_fd();
            let id = MountId::of(fd.as_fd())?;
            done.mounted.push(fd);
            let seen = look(base, target, step)?;
            if MountId::of(seen.as_fd())? != id {
                return Err(moved(&step.target));
            }
            seen
        }
        None => {
            let call = Classic { pieces, step };
            call.mount(&place)?;
            let seen = look(base, target, step);
            let Ok(seen) = seen.and_then(|seen| is_new(seen, before)) else {
                classic::take_away_from(&place)?;
                return Err(moved(&step.target));
            };
            done.mounted.push(seen.try_clone().map_err(|e| Error::from_io("look at the mount", "dup", e))?);
            call.finish(seen.as_fd())?;
            set_root_owner(seen.as_fd(), step)?;
            seen
        }
    };
    Ok(seen)
}

fn is_new(seen: OwnedFd, before: MountId) -> Result<OwnedFd> {
    match MountId::of(seen.as_fd())? != before && crate::vfs::identity::is_mount_root(seen.as_fd())? {
        true => Ok(seen),
        false => Err(Error::new(ErrorKind::TargetMoved, "verify target", "no new mount is there")),
    }
}

/// What is seen at the step's place now.
fn look(base: BorrowedFd<'_>, target: &Target, step: &Step) -> Result<OwnedFd> {
    if step.is_root() {
        return classic::open_top(target.as_fd());
    }
    open_in_root(base, &step.target)
}
