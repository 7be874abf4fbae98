// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Step by step: each mount attached by itself, in order; what was done is taken back when one fails.

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::kinds::helper::{HELPER_LIMIT, Helper};
use crate::mountinfo::id::MountId;
use crate::set::build::assemble::mount_point;
use crate::set::build::failure::{every_mount_left_out, is_missing_source, without_root};
use crate::set::build::restrict::Place;
use crate::set::build::step_mount::{Pieces, set_root_owner};
use crate::set::build::{Mounter, restrict as cover};
use crate::set::plan::Plan;
use crate::set::plan::step::{Step, What};
use crate::set::publish::applied::Applied;
use crate::set::publish::rollback::{Begun, Done, Mounted};
use crate::strategy::{Way, Ways};
use crate::table::published::PublishedSet;
use crate::vfs::attr::{Attr, Locked, MountAttr, set_attr};
use crate::vfs::identity::is_dir;
use crate::vfs::target::{Target, open_in_root};
use crate::vfs::verify::{moved, moved_or};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::collections::HashMap;
use std::ffi::OsStr;

/// The helpers of a plan's steps, by the steps' numbers.
pub(crate) type Helpers = HashMap<usize, Helper>;

/// Finds the helpers: `mount.fuse3` for FUSE types, and `mount.TYPE` where there is one.
pub(crate) fn find_helpers(plan: &Plan) -> Result<Helpers> {
    let mut helpers = Helpers::new();
    let mut without: Vec<&OsStr> = Vec::new();
    for step in &plan.steps {
        let What::Filesystem(fstype) = &step.what else { continue };
        if without.contains(&fstype.as_os_str()) {
            continue;
        }
        match Helper::find(fstype).map_err(|e| plan.in_step(step, e))? {
            Some(helper) => drop(helpers.insert(step.number, helper)),
            None => without.push(fstype),
        }
    }
    Ok(helpers)
}

/// Whether the helpers' mounts can come after all others: none of those goes below one of them.
pub(crate) fn can_be_last(plan: &Plan, helpers: &Helpers) -> bool {
    let is_helped = |step: &&Step| helpers.contains_key(&step.number);
    let below = |step: &Step, helped: &Step| {
        step.number > helped.number && (helped.is_root() || step.target.starts_with(&helped.target))
    };
    let others = || plan.steps.iter().filter(|step| !is_helped(step));
    plan.steps.iter().filter(is_helped).all(|helped| others().all(|step| !below(step, helped)))
}

/// Mounts the steps in order.
pub(crate) fn step_by_step(
    mounter: &Mounter,
    dir: BorrowedFd<'_>,
    plan: &Plan,
    helpers: &Helpers,
    target: &Target,
    begun: Begun,
) -> Result<Applied> {
    Way::StepByStep.taken();
    let pieces = Pieces { mounter, dir, store: None };
    let is_published = begun.published.is_some();
    let mut done = Done::new(begun);
    for step in &plan.steps {
        if helpers.contains_key(&step.number) {
            check_helped(step)?;
        }
    }
    let has_root = plan.has_root() || is_published;
    if plan.covers.readonly_root && !has_root {
        return Err(root_is_not_ours());
    }
    let mut left_out = Vec::new();
    let mut root: Option<OwnedFd> = None;
    if is_published {
        root = Some(target.seen_now()?);
    }
    let is_missing = |root: &Option<OwnedFd>| plan.has_root() && root.is_none();
    for step in &plan.steps {
        if !step.is_root() && is_missing(&root) {
            return Err(plan.in_step(step, without_root(&step.target)));
        }
        match one(&pieces, &mut done, root.as_ref(), target, step, helpers.get(&step.number)) {
            Ok(mounted) if step.is_root() => root = Some(mounted),
            Ok(_) => {}
            Err(error) if step.options.nofail && is_missing_source(&error, step) => {
                left_out.push(step.number);
            }
            Err(error) => return Err(plan.in_step(step, error)),
        }
    }
    let mut readonly_root = plan.covers.readonly_root;
    for (cover, path) in &plan.covers.paths {
        if is_missing(&root) {
            return Err(cover.error(path, without_root(path)));
        }
        let base = root.as_ref().map_or(target.as_fd(), AsFd::as_fd);
        let found = match cover::find(base, *cover, path, plan.len() + 1)? {
            Place::Step(found) => found,
            Place::Nothing => continue,
            Place::Root if !has_root => return Err(cover.error(path, root_is_not_ours())),
            Place::Root => {
                readonly_root = true;
                continue;
            }
        };
        one(&found.pieces(&pieces), &mut done, root.as_ref(), target, &found.step, None)
            .map_err(|e| cover.error(path, e))?;
    }
    let first = done.mounted.first().ok_or_else(every_mount_left_out)?;
    if readonly_root {
        let root = root.as_ref().map_or(target.as_fd(), AsFd::as_fd);
        make_read_only(root).map_err(|e| e.with_operation(Operation::MakeRootReadOnly))?;
    }
    let id = match &root {
        Some(root) => MountId::of(root.as_fd())?,
        None => MountId::of(first.root.as_fd())?,
    };
    let set = match has_root {
        true => PublishedSet::at(MountId::of(first.root.as_fd())?, None).ok(),
        false => None,
    };
    done.keep();
    Ok(Applied { id, set, left_out, way: Way::StepByStep })
}

fn root_is_not_ours() -> Error {
    let reason = "step by step the root is the mount that is there already, which is not ours to change";
    Error::new(ErrorKind::Unsupported, Operation::MakeRootReadOnly, reason)
        .with_hint("give the set a root of its own: a first mount for `/`")
}

/// A helper mounts as it does: what would have to be done to a detached mount can't be.
pub(crate) fn check_helped(step: &Step) -> Result<()> {
    let word = match &step.options {
        options if options.idmap.is_some() => "idmap",
        options if options.subdir.is_some() => "X-mount.subdir",
        options if options.loop_device.is_some() => "loop",
        _ => return Ok(()),
    };
    let reason = "a mount helper mounts this type, and it has no such option";
    Err(Error::new(ErrorKind::OptionConflict, Operation::ReadOption, reason).with_argument(word))
}

/// Mounts one step at its place; gives its root as it is seen there.
fn one(
    pieces: &Pieces<'_>,
    done: &mut Done,
    root: Option<&OwnedFd>,
    target: &Target,
    step: &Step,
    helper: Option<&Helper>,
) -> Result<OwnedFd> {
    let base = root.map_or(target.as_fd(), AsFd::as_fd);
    if let Some(helper) = helper {
        return by_helper(pieces, done, base, target, step, helper);
    }
    let piece = pieces.detached(step)?;
    let place = match step.is_root() {
        true => seen_now(target)?,
        false => mount_point(base, step, || is_dir(piece.root()))?,
    };
    done.take_over(place.made());
    set_root_owner(piece.root(), step)?;
    done.will_attach(&piece, &place, step, pieces.dir);
    let attached = piece.attach(&place).map_err(|e| Error::from(e).with_argument(&step.target))?;
    let id = attached.id();
    done.has_attached(&attached, &place, step);
    done.mounted.push(Mounted::new(attached.into_fd(), step));
    must_be(look(base, target, step)?, id, step)
}

/// The helper mounts on the step's place; the words for the mount itself are put in force whatever the helper did.
fn by_helper(
    pieces: &Pieces<'_>,
    done: &mut Done,
    base: BorrowedFd<'_>,
    target: &Target,
    step: &Step,
    helper: &Helper,
) -> Result<OwnedFd> {
    let place = match step.is_root() {
        true => seen_now(target)?,
        false => mount_point(base, step, || Ok(true))?,
    };
    done.take_over(place.made());
    done.mounting(&place);
    let words = step.options.helper_words();
    let mounted = helper.mount(pieces.dir, &step.source, &place, &words, HELPER_LIMIT)?;
    done.will_mount(mounted.as_fd(), &place, step);
    let id = MountId::of(mounted.as_fd());
    done.mounted.push(Mounted::new(mounted, step));
    let id = id?;
    let seen = must_be(look(base, target, step)?, id, step)?;
    set_attr(seen.as_fd(), &step.options.single_attr(), false, Locked::StaysAsItIs)?;
    Ok(seen)
}

/// The root of a set without one of its own is the caller's mount, which is not ours to change.
fn make_read_only(root: BorrowedFd<'_>) -> Result<()> {
    let read_only = MountAttr { set: Attr::RDONLY, ..MountAttr::default() };
    set_attr(root, &read_only, false, Locked::StaysAsItIs)
}

/// The target by its path again: what was mounted there meanwhile is what is seen. If it has moved, it is not followed: it may
/// have left its root.
fn seen_now(target: &Target) -> Result<Target> {
    target.again(target.seen_now().map_err(|e| moved_or(e, target.path()))?)
}

/// What is seen, if it is that mount.
fn must_be(seen: OwnedFd, id: MountId, step: &Step) -> Result<OwnedFd> {
    if MountId::of(seen.as_fd())? == id { Ok(seen) } else { Err(moved(&step.target)) }
}

/// What is seen at the step's place now.
fn look(base: BorrowedFd<'_>, target: &Target, step: &Step) -> Result<OwnedFd> {
    if step.is_root() {
        return target.seen_now();
    }
    open_in_root(base, &step.target)
}
