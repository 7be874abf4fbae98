// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mounts a plan on its target: in one step where possible, otherwise step by step.

use crate::error::{Error, Operation, Result};
use crate::set::build::Mounter;
use crate::set::build::decide::Publication;
use crate::set::journal::record::JournalEntry;
use crate::set::plan::Plan;
use crate::set::plan::helpers::Helpers;
use crate::set::publish::applied::Applied;
use crate::set::publish::rollback::{Begun, has_peers};
use crate::set::publish::stepwise::step_by_step;
use crate::strategy::Strategy;
use crate::sys::procfs;
use crate::table::published::PublishedSet;
use crate::trace;
use crate::vfs::target::Target;
use rustix::fd::{AsFd, BorrowedFd};

impl Mounter {
    /// Mounts the plan on `target`, by the [`strategy`](Self::strategy) that this kernel allows.
    /// Relative sources and layers start at `dir`.
    ///
    /// Mount helpers run last. All other mounts are published in one step where possible, unless
    /// one of them is below a helper's mount. A failure unmounts all of them.
    ///
    /// # Errors
    /// Those of [`build`](Self::build), [`Tree::attach`](crate::vfs::tree::Tree::attach) and
    /// [`Helper::mount`](crate::kinds::helper::helper::Helper::mount); nothing is left mounted.
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported), before any change, where a
    /// seccomp filter forbids the mount interface of Linux 5.2 to 5.12.
    pub fn apply(&self, dir: impl AsFd, plan: &Plan, target: &Target) -> Result<Applied> {
        let dir = dir.as_fd();
        let _span = trace::apply(target.path(), plan.len());
        match self.decide(plan)? {
            Publication::AtOnce(strategy) => {
                let mut set = self.build_set(dir, plan, Some(target))?;
                let left_out = std::mem::take(&mut set.left_out);
                let attached = set.attach(target)?;
                Ok(Applied { id: attached.id(), set: PublishedSet::of(&attached).ok(), left_out, strategy })
            }
            Publication::HelpersLast(helpers) => {
                need_roll_back()?;
                self.apply_helpers_last(dir, plan, helpers, target)
            }
            Publication::StepByStep(helpers) => {
                need_roll_back()?;
                let begun = Begun { published: None, entry: self.journal.begin(target.path()) };
                step_by_step(self, dir, plan, helpers, target, begun)
            }
        }
    }

    /// Publishes the kernel's mounts in one step, then runs the helpers. The journal records the
    /// mounts first, since this process may be killed together with a helper.
    fn apply_helpers_last(
        &self,
        dir: BorrowedFd<'_>,
        plan: &Plan,
        helpers: &Helpers,
        target: &Target,
    ) -> Result<Applied> {
        let (kernel, helped) = plan.by_kernel_and_helpers(helpers);
        let mut set = self.build_set(dir, &kernel, Some(target))?;
        let left_out = std::mem::take(&mut set.left_out);
        let entry = self.journal.begin(target.path());
        if let Some(entry) = &entry {
            let has_peers = kernel.steps.iter().any(has_peers);
            entry.root_of(set.tree.root(), set.newest, set.mounts, target.as_fd(), has_peers);
        }
        let attached = match set.attach(target) {
            Ok(attached) => attached,
            Err(failed) => {
                entry.into_iter().for_each(JournalEntry::remove);
                return Err(Error::from(failed));
            }
        };
        let id = attached.id();
        let begun = Begun { published: Some(attached.into_fd()), entry };
        let applied = step_by_step(self, dir, &helped, helpers, target, begun)?;
        Ok(Applied { id, left_out, strategy: Strategy::StepByStep, ..applied })
    }
}

/// Fails without a verified /proc: rollback unmounts by a path in /proc.
fn need_roll_back() -> Result<()> {
    procfs::check().map_err(|errno| procfs::failed(Operation::Build, "thread-self/fd", errno))
}
