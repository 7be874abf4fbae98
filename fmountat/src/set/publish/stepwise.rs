// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mounts step by step: attaches each mount by itself, in order, with rollback.

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::kinds::helper::{HELPER_LIMIT, Helper};
use crate::mountinfo::id::MountId;
use crate::set::build::attach::mount_point;
use crate::set::build::covered::take_over;
use crate::set::build::detached_set::duplicate;
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
use crate::vfs::attr::set_attr;
use crate::vfs::identity::is_dir;
use crate::vfs::target::{Target, open_in_root};
use crate::vfs::verify::{moved, moved_or};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

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
    restrict::make_mounts_read_only(&stepwise.read_only_last)?;
    restrict::restrict_paths(&mut stepwise, &plan.restrictions, plan.len() + 1)?;
    stepwise.make_root_read_only()?;
    plan.set_root_propagation(stepwise.root_or_target())?;
    stepwise.finish()
}

/// A set that is visible while it is mounted.
struct Stepwise<'a> {
    plan: &'a Plan,
    helpers: &'a Helpers,
    target: &'a Target,
    step_mounter: StepMounter<'a>,
    rollback: Rollback,
    /// The visible root. `None` for a set without a root of its own.
    root: Option<OwnedFd>,
    has_root: bool,
    readonly_root: bool,
    /// Mounts that become read-only when all are in place.
    read_only_last: Vec<(PathBuf, OwnedFd)>,
    left_out: Vec<usize>,
}

impl<'a> Stepwise<'a> {
    /// Refuses, before any change, a plan that cannot be mounted step by step.
    fn begin(
        mounter: &'a Mounter,
        dir: BorrowedFd<'a>,
        plan: &'a Plan,
        helpers: &'a Helpers,
        target: &'a Target,
        begun: Begun,
    ) -> Result<Self> {
        let is_published = begun.published.is_some();
        let rollback = Rollback::new(begun);
        for step in &plan.steps {
            if helpers.of(step).is_some() {
                check_helped(step)?;
            }
        }
        let has_root = plan.has_root() || is_published;
        let changes = [
            (plan.restrictions.readonly_root, Operation::MakeRootReadOnly),
            (plan.root_propagation.is_some(), Operation::SetRootPropagation),
        ];
        if let Some((_, operation)) = changes.into_iter().find(|(is_asked, _)| *is_asked && !has_root) {
            return Err(root_is_not_ours(operation));
        }
        let root = is_published.then(|| target.seen_now()).transpose()?;
        let step_mounter = StepMounter { mounter, dir };
        let readonly_root = plan.restrictions.readonly_root;
        Ok(Self {
            plan,
            helpers,
            target,
            step_mounter,
            rollback,
            root,
            has_root,
            readonly_root,
            read_only_last: Vec::new(),
            left_out: Vec::new(),
        })
    }

    fn attach_mounts(&mut self) -> Result<()> {
        for step in &self.plan.steps {
            if !step.is_root() && self.lacks_root() {
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
        if self.readonly_root { restrict::make_root_read_only(self.root_or_target()) } else { Ok(()) }
    }

    /// Commits: from here on nothing is unmounted.
    fn finish(self) -> Result<Applied> {
        let first = self.rollback.mounted.first().ok_or_else(every_mount_left_out)?;
        let id = match &self.root {
            Some(root) => MountId::of(root.as_fd())?,
            None => MountId::of(first.root.as_fd())?,
        };
        let set = match self.has_root {
            true => PublishedSet::at(MountId::of(first.root.as_fd())?, None).ok(),
            false => None,
        };
        self.rollback.keep();
        Ok(Applied { id, set, left_out: self.left_out, strategy: Strategy::StepByStep })
    }

    /// Reports whether the set's own root is not mounted yet.
    fn lacks_root(&self) -> bool {
        self.plan.has_root() && self.root.is_none()
    }

    /// Returns the directory at which the targets start.
    fn root_or_target(&self) -> BorrowedFd<'_> {
        self.root.as_ref().map_or(self.target.as_fd(), AsFd::as_fd)
    }

    /// Attaches the mount of one step. Returns its root, opened again at its place.
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
            true => reopen_target(self.target)?,
            false => mount_point(self.root_or_target(), step, || is_dir(tree.root()))?,
        };
        self.rollback.take_over(place.made());
        set_root_owner(tree.root(), step)?;
        take_over(tree.root(), place.as_fd(), step)?;
        if step.read_only_last {
            self.read_only_last.push((step.target.clone(), duplicate(tree.root())?));
        }
        self.rollback.will_attach(&tree, &place, step, step_mounter.dir);
        let attached = tree.attach(&place).map_err(|e| Error::from(e).with_argument(&step.target))?;
        let id = attached.id();
        self.rollback.has_attached(&attached, &place, step);
        self.rollback.mounted.push(Mounted::new(attached.into_fd(), step));
        trace::attached(step.number, &step.target);
        verify_mount(self.open_at_place(step)?, id, step)
    }

    /// Runs the helper on the step's target. Then sets the step's mount attributes, independent of
    /// the helper.
    fn attach_by_helper(&mut self, step: &Step, helper: &Helper) -> Result<OwnedFd> {
        let _span = trace::step(step.number, &step.target, step.fstype());
        let place = match step.is_root() {
            true => reopen_target(self.target)?,
            false => mount_point(self.root_or_target(), step, || Ok(true))?,
        };
        self.rollback.take_over(place.made());
        self.rollback.mounting(&place);
        let options = step.options.helper_options();
        let mounted = helper.mount(self.step_mounter.dir, &step.source, &place, &options, HELPER_LIMIT)?;
        self.rollback.will_mount(mounted.as_fd(), &place, step);
        let id = MountId::of(mounted.as_fd());
        self.rollback.mounted.push(Mounted::new(mounted, step));
        trace::attached(step.number, &step.target);
        let id = id?;
        let seen = verify_mount(self.open_at_place(step)?, id, step)?;
        set_attr(seen.as_fd(), &step.options.single_attr(), false)?;
        Ok(seen)
    }

    /// Opens the file or directory that is now visible at the step's place.
    fn open_at_place(&self, step: &Step) -> Result<OwnedFd> {
        if step.is_root() {
            return self.target.seen_now();
        }
        open_in_root(self.root_or_target(), &step.target)
    }
}

impl MountedRoot for Stepwise<'_> {
    fn root(&self, path: &Path) -> Result<BorrowedFd<'_>> {
        if self.lacks_root() { Err(without_root(path)) } else { Ok(self.root_or_target()) }
    }

    fn attach(&mut self, late: &LateMount) -> Result<()> {
        let mounter = self.step_mounter;
        self.attach_mount(late.mounter(&mounter), &late.step, None).map(drop)
    }

    fn restrict_root(&mut self) -> Result<()> {
        self.readonly_root = true;
        if self.has_root { Ok(()) } else { Err(root_is_not_ours(Operation::MakeRootReadOnly)) }
    }
}

/// Returns the error for changing the caller's own mount, in a set without a root.
fn root_is_not_ours(operation: Operation) -> Error {
    let reason = "the set is mounted step by step and has no root of its own: its root is a mount that \
                  existed before";
    Error::new(ErrorKind::Unsupported, operation, reason).with_hint("add a first mount with the target `/`")
}

/// Opens the target again by its path, to see what was mounted there in the meantime. A target that
/// was moved is not followed: it may be outside its root.
fn reopen_target(target: &Target) -> Result<Target> {
    target.again(target.seen_now().map_err(|e| moved_or(e, target.path()))?)
}

/// Returns `seen` if it is the mount `id`.
fn verify_mount(seen: OwnedFd, id: MountId, step: &Step) -> Result<OwnedFd> {
    if MountId::of(seen.as_fd())? == id { Ok(seen) } else { Err(moved(&step.target)) }
}
