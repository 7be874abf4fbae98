// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Step by step: each mount attached by itself, in order; what was done is taken back when one fails.

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::kinds::helper::{HELPER_LIMIT, Helper};
use crate::mountinfo::id::MountId;
use crate::set::build::assemble::mount_point;
use crate::set::build::failure::{every_mount_left_out, is_missing_source, without_root};
use crate::set::build::late_mount::{LateMount, MountedRoot};
use crate::set::build::step_mount::{StepMounter, set_root_owner};
use crate::set::build::{Mounter, nodes, restrict};
use crate::set::plan::Plan;
use crate::set::plan::helpers::{Helpers, check_helped};
use crate::set::plan::step::Step;
use crate::set::publish::applied::Applied;
use crate::set::publish::rollback::{Begun, Mounted, Rollback};
use crate::strategy::{Strategies, Strategy};
use crate::table::published::PublishedSet;
use crate::trace;
use crate::vfs::attr::{Locked, set_attr};
use crate::vfs::identity::is_dir;
use crate::vfs::target::{Target, open_in_root};
use crate::vfs::verify::{moved, moved_or};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Mounts the steps in order.
pub(crate) fn step_by_step(
    mounter: &Mounter,
    dir: BorrowedFd<'_>,
    plan: &Plan,
    helpers: &Helpers,
    target: &Target,
    begun: Begun,
) -> Result<Applied> {
    Strategy::StepByStep.record();
    let mut stepwise = Stepwise::begin(mounter, dir, plan, helpers, target, begun)?;
    stepwise.attach_mounts()?;
    nodes::create_nodes(&mut stepwise, &plan.nodes, plan.len() + 1)?;
    restrict::restrict_paths(&mut stepwise, &plan.restrictions, plan.len() + 1)?;
    stepwise.make_root_read_only()?;
    stepwise.finish()
}

/// A set that grows where it can be seen.
struct Stepwise<'a> {
    plan: &'a Plan,
    helpers: &'a Helpers,
    target: &'a Target,
    step_mounter: StepMounter<'a>,
    done: Rollback,
    /// The root, as it is seen; of a set without one of its own there is none.
    root: Option<OwnedFd>,
    has_root: bool,
    readonly_root: bool,
    left_out: Vec<usize>,
}

impl<'a> Stepwise<'a> {
    /// Refuses what can't be done step by step, before any change.
    fn begin(
        mounter: &'a Mounter,
        dir: BorrowedFd<'a>,
        plan: &'a Plan,
        helpers: &'a Helpers,
        target: &'a Target,
        begun: Begun,
    ) -> Result<Self> {
        let is_published = begun.published.is_some();
        let done = Rollback::new(begun);
        for step in &plan.steps {
            if helpers.of(step).is_some() {
                check_helped(step)?;
            }
        }
        let has_root = plan.has_root() || is_published;
        if plan.restrictions.readonly_root && !has_root {
            return Err(root_is_not_ours());
        }
        let root = is_published.then(|| target.seen_now()).transpose()?;
        let step_mounter = StepMounter { mounter, dir };
        let readonly_root = plan.restrictions.readonly_root;
        Ok(Self {
            plan,
            helpers,
            target,
            step_mounter,
            done,
            root,
            has_root,
            readonly_root,
            left_out: Vec::new(),
        })
    }

    fn attach_mounts(&mut self) -> Result<()> {
        for step in &self.plan.steps {
            if !step.is_root() && self.misses_root() {
                return Err(self.plan.in_step(step, without_root(&step.target)));
            }
            match self.attach_mount(self.step_mounter, step, self.helpers.of(step)) {
                Ok(mounted) if step.is_root() => self.root = Some(mounted),
                Ok(_) => {}
                Err(error) if step.options.nofail && is_missing_source(&error, step) => {
                    self.left_out.push(step.number);
                }
                Err(error) => return Err(self.plan.in_step(step, error)),
            }
        }
        Ok(())
    }

    fn make_root_read_only(&self) -> Result<()> {
        if self.readonly_root { restrict::make_root_read_only(self.base()) } else { Ok(()) }
    }

    /// From here on nothing is taken back.
    fn finish(self) -> Result<Applied> {
        let first = self.done.mounted.first().ok_or_else(every_mount_left_out)?;
        let id = match &self.root {
            Some(root) => MountId::of(root.as_fd())?,
            None => MountId::of(first.root.as_fd())?,
        };
        let set = match self.has_root {
            true => PublishedSet::at(MountId::of(first.root.as_fd())?, None).ok(),
            false => None,
        };
        self.done.keep();
        Ok(Applied { id, set, left_out: self.left_out, strategy: Strategy::StepByStep })
    }

    /// The set's own root is not there yet.
    fn misses_root(&self) -> bool {
        self.plan.has_root() && self.root.is_none()
    }

    /// Where the targets start.
    fn base(&self) -> BorrowedFd<'_> {
        self.root.as_ref().map_or(self.target.as_fd(), AsFd::as_fd)
    }

    /// Mounts one step at its place; gives its root as it is seen there.
    fn attach_mount(
        &mut self,
        step_mounter: StepMounter<'_>,
        step: &Step,
        helper: Option<&Helper>,
    ) -> Result<OwnedFd> {
        if let Some(helper) = helper {
            return self.attach_by_helper(step, helper);
        }
        let tree = step_mounter.detached(step)?;
        let place = match step.is_root() {
            true => seen_now(self.target)?,
            false => mount_point(self.base(), step, || is_dir(tree.root()))?,
        };
        self.done.take_over(place.made());
        set_root_owner(tree.root(), step)?;
        self.done.will_attach(&tree, &place, step, step_mounter.dir);
        let attached = tree.attach(&place).map_err(|e| Error::from(e).with_argument(&step.target))?;
        let id = attached.id();
        self.done.has_attached(&attached, &place, step);
        self.done.mounted.push(Mounted::new(attached.into_fd(), step));
        trace::attached(step.number, &step.target);
        must_be(self.look(step)?, id, step)
    }

    /// The helper mounts on the step's place; the words for the mount itself are put in force whatever the helper did.
    fn attach_by_helper(&mut self, step: &Step, helper: &Helper) -> Result<OwnedFd> {
        let _span = trace::step(step.number, &step.target, step.fstype());
        let place = match step.is_root() {
            true => seen_now(self.target)?,
            false => mount_point(self.base(), step, || Ok(true))?,
        };
        self.done.take_over(place.made());
        self.done.mounting(&place);
        let options = step.options.helper_options();
        let mounted = helper.mount(self.step_mounter.dir, &step.source, &place, &options, HELPER_LIMIT)?;
        self.done.will_mount(mounted.as_fd(), &place, step);
        let id = MountId::of(mounted.as_fd());
        self.done.mounted.push(Mounted::new(mounted, step));
        trace::attached(step.number, &step.target);
        let id = id?;
        let seen = must_be(self.look(step)?, id, step)?;
        set_attr(seen.as_fd(), &step.options.single_attr(), false, Locked::StaysAsItIs)?;
        Ok(seen)
    }

    /// What is seen at the step's place now.
    fn look(&self, step: &Step) -> Result<OwnedFd> {
        if step.is_root() {
            return self.target.seen_now();
        }
        open_in_root(self.base(), &step.target)
    }
}

impl MountedRoot for Stepwise<'_> {
    fn root(&self, path: &Path) -> Result<BorrowedFd<'_>> {
        if self.misses_root() { Err(without_root(path)) } else { Ok(self.base()) }
    }

    fn attach(&mut self, late: &LateMount) -> Result<()> {
        let mounter = self.step_mounter;
        self.attach_mount(late.mounter(&mounter), &late.step, None).map(drop)
    }

    fn restrict_root(&mut self) -> Result<()> {
        self.readonly_root = true;
        if self.has_root { Ok(()) } else { Err(root_is_not_ours()) }
    }
}

/// The root of a set without one of its own is the caller's mount.
fn root_is_not_ours() -> Error {
    let reason = "the set is mounted step by step and has no root of its own: its root is a mount that \
                  existed before";
    Error::new(ErrorKind::Unsupported, Operation::MakeRootReadOnly, reason)
        .with_hint("add a first mount with the target `/`")
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
