// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A plan on its target: in one step where the kernel can, else step by step with roll-back.

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::set::build::{Built, Mounter};
use crate::set::journal::record::Note;
use crate::set::plan::Plan;
use crate::set::plan::step::What;
use crate::set::publish::applied::Applied;
use crate::set::publish::rollback::{Begun, has_peers};
use crate::set::publish::stepwise::{can_be_last, find_helpers, step_by_step};
use crate::strategy::Way;
use crate::table::published::PublishedSet;
use crate::vfs::target::Target;
use rustix::fd::AsFd;

impl Mounter {
    /// The way that [`apply`](Self::apply) takes here: [`Way::Detached`] needs fsopen(2) and its like \[Linux 5.2\], and
    /// for several mounts that the kernel can mount into a detached tree \[Linux 6.15\]; [`Way::PrivateNamespace`] that
    /// unshare(2) is allowed, that the list has one root at most, and nothing that is unbindable. What a mount helper
    /// mounts is never detached.
    #[must_use]
    pub fn way(&self, plan: &Plan) -> Way {
        // A helper that is not there is for `apply` to report.
        let is_helped = !find_helpers(plan).is_ok_and(|helpers| helpers.is_empty());
        if is_helped { Way::StepByStep } else { self.publishing(plan).unwrap_or(Way::StepByStep) }
    }

    /// How the plan is published in one step, where it can be.
    pub(crate) fn publishing(&self, plan: &Plan) -> Option<Way> {
        self.assembly(plan, plan.is_lone())
    }

    /// Mounts the plan on `target`, by the [`way`](Self::way) that serves; relative sources and layers start at `dir`.
    ///
    /// What a mount helper mounts comes after all others, which are published in one step where they can be, unless one
    /// of them goes below it; all is taken back if it fails.
    ///
    /// # Errors
    /// Those of [`build`](Self::build), [`Tree::attach`](crate::vfs::tree::Tree::attach) and [`Helper::mount`](crate::kinds::helper::helper::Helper::mount);
    /// nothing is left mounted. [`ErrorKind::Unsupported`], before any change, where a seccomp filter forbids the mount
    /// interface of Linux 5.2 to 5.12.
    pub fn apply(&self, dir: impl AsFd, plan: &Plan, target: &Target) -> Result<Applied> {
        let dir = dir.as_fd();
        self.need_mount_interface(plan.resolves_targets())?;
        let helpers = find_helpers(plan)?;
        let mut kernel = plan.part(|step| !helpers.contains_key(&step.number));
        if helpers.is_empty() {
            kernel.covers = plan.covers.clone();
        }
        let way = self.publishing(&kernel).filter(|_| !kernel.is_empty() && can_be_last(plan, &helpers));
        let Some(way) = way else {
            let note = self.notes.begin(target.path());
            return step_by_step(self, dir, plan, &helpers, target, Begun { published: None, note });
        };
        let mut built: Built = self.build_all(dir, &kernel, target)?;
        let left_out = std::mem::take(&mut built.left_out);
        let note = if helpers.is_empty() { None } else { self.notes.begin(target.path()) };
        if let Some(note) = &note {
            let has_peers = kernel.steps.iter().any(has_peers);
            note.root_of(built.tree.root(), built.newest, built.mounts, target.as_fd(), has_peers);
        }
        let attached = match built.attach(target) {
            Ok(attached) => attached,
            Err(error) => {
                note.into_iter().for_each(Note::remove);
                return Err(error.into());
            }
        };
        let id = attached.id();
        if helpers.is_empty() {
            return Ok(Applied { id, set: PublishedSet::of(&attached).ok(), left_out, way });
        }
        let mut helped = plan.part(|step| helpers.contains_key(&step.number));
        helped.covers = plan.covers.clone();
        let begun = Begun { published: Some(attached.into_fd()), note };
        let applied = step_by_step(self, dir, &helped, &helpers, target, begun)?;
        Ok(Applied { id, left_out, ..applied })
    }

    /// Refuses a plan with a mount that its helper mounts by itself, on a target that can be seen: not detached, and so
    /// neither in place of another set nor in another mount namespace.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`], with the type; [`ErrorKind::HelperMissing`].
    pub fn need_no_helper(&self, plan: &Plan) -> Result<()> {
        let helpers = find_helpers(plan)?;
        let helped = plan.steps.iter().find_map(|step| match &step.what {
            What::Filesystem(fstype) => Some((step, fstype, helpers.get(&step.number)?)),
            _ => None,
        });
        let Some((step, fstype, helper)) = helped else { return Ok(()) };
        let reason = format!(
            "its mount helper {} mounts it by itself, on a target that can be seen: not in a detached tree, nor in another \
             mount namespace",
            crate::error::escape(helper.program().as_os_str().as_encoded_bytes())
        );
        Err(plan.in_step(
            step,
            Error::new(ErrorKind::Unsupported, Operation::Build, reason).with_argument(fstype),
        ))
    }

    /// Refuses a plan that others could see half done here.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`].
    pub fn need_one_step(&self, plan: &Plan) -> Result<()> {
        if plan.is_lone() || self.way(plan) != Way::StepByStep {
            return Ok(());
        }
        let (reason, hint) = match self.publishing(plan).is_some() {
            true => (
                "the set could be seen half done: a mount helper mounts by itself",
                "without `--strict` it is mounted after all others",
            ),
            false => (
                "on this kernel the set could be seen half done: it can't mount into a detached tree, and the set can't be \
                 copied out of a private mount namespace",
                "it needs Linux 6.15, or unshare(2), one mount for `/` at most and nothing unbindable; without `--strict` \
                 the set is mounted step by step",
            ),
        };
        Err(Error::new(ErrorKind::Unsupported, Operation::ChooseWay, reason).with_hint(hint))
    }
}
