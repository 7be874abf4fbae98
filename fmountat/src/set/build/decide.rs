// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Decides how a plan is built and published, for apply, explain, `--strict` and replace alike.

use crate::error::{Error, ErrorKind, Operation, Result, escape};
use crate::set::build::mounter::Mounter;
use crate::set::plan::Plan;
use crate::set::plan::helpers::Helpers;
use crate::set::plan::step::What;
use crate::strategy::Strategy;
use crate::vfs::replace::is_process_root;
use crate::vfs::target::Target;
use std::os::unix::ffi::OsStrExt;

/// How a plan is published on its target.
#[derive(Debug)]
pub(crate) enum Publication<'a> {
    /// Publishes the whole set in one step.
    AtOnce(Strategy),
    /// Publishes the kernel's mounts in one step, then runs the mount helpers.
    HelpersLast(&'a Helpers),
    /// Attaches each mount by itself. A failure unmounts those attached before it.
    StepByStep(&'a Helpers),
}

const HELPED: (&str, &str) = (
    "the set can't be mounted in one step: a mount helper attaches its mount itself",
    "without `--strict`, that mount is made after all others",
);

impl Mounter {
    /// Refuses a plan without a root on the root directory of the process. It would be mounted in a
    /// private copy of that directory, which no process has as its root.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`].
    pub(crate) fn need_visible(&self, plan: &Plan, target: &Target) -> Result<()> {
        if plan.has_root() || self.strategy(plan) == Strategy::StepByStep || !is_process_root(target)? {
            return Ok(());
        }
        let reason =
            "is the root directory of this process, and no process would see what is mounted over it";
        let error = Error::new(ErrorKind::Unsupported, Operation::Build, reason).with_argument(target.path());
        Err(error.with_hint(
            "give the set a root (a first mount for `/`), or mount each by itself: fmountat mount",
        ))
    }

    /// Decides how the plan is published.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] without the mount interface; [`ErrorKind::HelperMissing`].
    pub(crate) fn decide<'a>(&self, plan: &'a Plan) -> Result<Publication<'a>> {
        self.need_mount_interface(plan.resolves_targets())?;
        let helpers = plan.helpers()?;
        if helpers.is_empty() {
            let strategy = self.assembly(plan, plan.is_lone());
            return Ok(strategy.map_or(Publication::StepByStep(helpers), Publication::AtOnce));
        }
        let (kernel, _) = plan.by_kernel_and_helpers(helpers);
        let can_be_last = !kernel.is_empty() && helpers.can_be_last(&plan.steps);
        Ok(match self.assembly(&kernel, kernel.is_lone()) {
            Some(_) if can_be_last => Publication::HelpersLast(helpers),
            _ => Publication::StepByStep(helpers),
        })
    }

    /// Returns the strategy that [`apply`](Self::apply) uses on this kernel. [`Strategy::Detached`]
    /// needs a kernel that mounts into detached trees \[Linux 6.15\]; a single mount does not.
    /// [`Strategy::PrivateNamespace`] needs unshare(2), at most one mount for `/`, and no
    /// unbindable mount. A mount by a mount helper is never detached.
    #[must_use]
    pub fn strategy(&self, plan: &Plan) -> Strategy {
        match self.decide(plan) {
            Ok(Publication::AtOnce(strategy)) => strategy,
            _ => Strategy::StepByStep,
        }
    }

    /// Returns the strategy that assembles the set so that one step can publish it, if there is
    /// one. A single mount is never mounted into another tree.
    pub(crate) fn assembly(&self, plan: &Plan, is_alone: bool) -> Option<Strategy> {
        match self.features.best()? {
            // The attributes of a mount in a detached tree cannot be changed (`do_mount_setattr`,
            // fs/namespace.c).
            Strategy::Detached if plan.sets_read_only_last() && self.features.private_namespace => {
                plan.can_be_copied().then_some(Strategy::PrivateNamespace)
            }
            Strategy::PrivateNamespace | Strategy::StepByStep if is_alone => Some(Strategy::Detached),
            Strategy::PrivateNamespace if !plan.can_be_copied() => None,
            Strategy::StepByStep => None,
            strategy => Some(strategy),
        }
    }

    /// Reports whether a root to be entered is mounted in the namespace of this process.
    pub(crate) fn mounts_here(&self) -> bool {
        self.own.is_some() && self.features.best() != Some(Strategy::Detached)
    }

    /// Fails if a seccomp filter forbids the mount interface of Linux 5.2 to 5.12, which every set
    /// needs.
    pub(crate) fn need_mount_interface(&self, resolves_targets: bool) -> Result<()> {
        let Some(calls) = self.features.forbidden_calls(resolves_targets) else { return Ok(()) };
        let reason = format!("a seccomp filter forbids {calls}, or the kernel is older than 5.14");
        Err(Error::new(ErrorKind::Unsupported, Operation::BuildDetached, reason).with_hint(
            "allow these system calls in the container's seccomp profile; a single overlay needs only \
             mount(2)",
        ))
    }

    pub(crate) fn need_detached_children_or_own_namespace(&self) -> Result<()> {
        if self.own.is_some() || self.features.best() == Some(Strategy::Detached) {
            return Ok(());
        }
        let reason = "this kernel can't mount into a detached tree, so the set can't be mounted in one step";
        Err(Error::new(ErrorKind::Unsupported, Operation::BuildDetached, reason).with_hint(
            "use Linux 6.15 or newer, or a mount namespace of your own: `Mounter::in_own_namespace`",
        ))
    }

    /// Fails if a mount helper makes one of the plan's mounts. A helper mounts on a visible target.
    /// It can mount neither in a detached tree, nor in place of another set, nor in another mount
    /// namespace.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`], with the file-system type as the argument;
    /// [`ErrorKind::HelperMissing`].
    pub fn need_no_helper(&self, plan: &Plan) -> Result<()> {
        let helpers = plan.helpers()?;
        let helped = plan.steps.iter().find_map(|step| match &step.what {
            What::Filesystem(fstype) => Some((step, fstype, helpers.of(step)?)),
            _ => None,
        });
        let Some((step, fstype, helper)) = helped else { return Ok(()) };
        let reason = format!(
            "its mount helper {} mounts only on a visible target: not in a detached tree, and not in \
             another mount namespace",
            escape(helper.program().as_os_str().as_bytes())
        );
        let error = Error::new(ErrorKind::Unsupported, Operation::Build, reason).with_argument(fstype);
        Err(plan.in_step(step, error))
    }

    /// Fails if other processes could see the plan half mounted on this kernel.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`]; [`ErrorKind::HelperMissing`].
    pub fn need_one_step(&self, plan: &Plan) -> Result<()> {
        let publication = self.decide(plan)?;
        let (reason, hint) = match publication {
            _ if plan.is_lone() => return Ok(()),
            Publication::AtOnce(_) => return Ok(()),
            Publication::HelpersLast(_) => HELPED,
            Publication::StepByStep(helpers)
                if !helpers.is_empty() && self.assembly(plan, false).is_some() =>
            {
                HELPED
            }
            Publication::StepByStep(_) => (
                "the set can't be mounted in one step: this kernel can't mount into a detached tree, and \
                 the set can't be copied out of a private mount namespace",
                "use Linux 6.15 or newer, or allow unshare(2) and use at most one mount with the target `/` \
                 and no unbindable mount; without `--strict`, the set is mounted step by step",
            ),
        };
        Err(Error::new(ErrorKind::Unsupported, Operation::ChooseWay, reason).with_hint(hint))
    }
}
