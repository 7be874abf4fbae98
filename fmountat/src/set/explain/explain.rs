// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Mounter::explain`: predicts the result of `Mounter::apply` without changing anything.

use crate::diagnose::credentials::Credentials;
use crate::diagnose::diagnose;
use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::set::build::Mounter;
use crate::set::build::decide::Publication;
use crate::set::build::failure::every_mount_left_out;
use crate::set::explain::inspect::{Inspector, wrong_type_at};
use crate::set::explain::report::{Explanation, Needed};
use crate::set::explain::walk::Walk;
use crate::set::plan::Plan;
use crate::set::plan::helpers::Helpers;
use crate::set::plan::step::{Step, What};
use crate::strategy::Strategy;
use crate::vfs::feature_table::kernel_features;
use crate::vfs::identity::{is_shared, is_unbindable};
use crate::vfs::replace::check_replaceable;
use crate::vfs::target::Target;
use crate::vfs::tree::{unbindable_on_shared, unbindable_target};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;

impl Mounter {
    /// Inspects sources, layers, images, targets, options, privilege and features, and returns what
    /// [`apply`](Self::apply) would do. It passes the options of file systems to fsopen(2) and
    /// fsconfig(2) but never creates one. It mounts, creates and writes nothing, runs no helper,
    /// and loads no module. In a user namespace it makes a detached copy of a source or layer that
    /// has mounts below it, and drops it.
    ///
    /// Some failures only the last system call shows: a damaged image, an upper that an overlay of
    /// another namespace uses, whether the file handles of a lower layer match those of `index=on`,
    /// and the errors of a helper.
    pub fn explain(&self, dir: impl AsFd, plan: &Plan, target: &Target) -> Explanation {
        let dir = dir.as_fd();
        let strategy = self.strategy(plan);
        let mut explained = Explanation {
            strategy,
            why: self.why(plan, strategy),
            into_copy: !plan.has_root(),
            steps: Vec::new(),
            after_mounts: plan.after_mounts(),
            needs: self.needs(plan),
            left_out: Vec::new(),
            refused: Vec::new(),
        };
        let found = self.explain_steps(&mut explained, dir, plan, target);
        explained.refused.extend(found.err());
        explained
    }

    /// Fills in the steps. Returns an error that occurs before the first step.
    fn explain_steps(
        &self,
        explained: &mut Explanation,
        dir: BorrowedFd<'_>,
        plan: &Plan,
        target: &Target,
    ) -> Result<()> {
        self.need_mount_interface(plan.resolves_targets())?;
        let credentials = Credentials::read();
        let is_stepwise = matches!(self.decide(plan), Ok(Publication::StepByStep(_)));
        let helpers = plan.helpers()?;
        let mut inspector = Inspector::new(self, dir, &credentials, helpers, target, is_stepwise);
        self.need_visible(plan, target)?;
        if !plan.has_root() {
            if !credentials.may_mount() {
                return Err(diagnose(
                    Error::sys(Operation::CloneMount, Syscall::OpenTree, Errno::PERM)
                        .with_argument(target.path()),
                ));
            }
            if explained.strategy != Strategy::StepByStep && is_unbindable(target.as_fd()) {
                return Err(unbindable_target(target));
            }
            inspector.start_in(target)?;
        }
        let mut walk = Walk::new(plan, inspector, explained.strategy == Strategy::StepByStep);
        for step in &plan.steps {
            explained.steps.push(walk.step(step));
        }
        let root_is_dir = walk.root_is_dir;
        (explained.left_out, explained.refused) = walk.end();
        if explained.left_out.len() == plan.len()
            && (plan.has_root() || explained.strategy == Strategy::StepByStep)
        {
            return Err(every_mount_left_out());
        }
        explained.refused.extend(self.refused_of_all(plan, target, root_is_dir));
        Ok(())
    }

    /// Returns the errors of the set as a whole, after it is built.
    fn refused_of_all(
        &self,
        plan: &Plan,
        target: &Target,
        root_is_dir: Option<bool>,
    ) -> impl Iterator<Item = Error> {
        let roots = plan.steps.iter().filter(|step| step.is_root()).count();
        let two_roots = (plan.restrictions.readonly_root && roots > 1).then(|| {
            let reason = "two mounts have the target `/`: add `ro` to the second one instead";
            Error::new(ErrorKind::Unsupported, Operation::MakeRootReadOnly, reason)
        });
        let unfit = root_is_dir
            .filter(|is_dir| plan.has_root() && *is_dir != target.is_dir())
            .map(|is_dir| wrong_type_at(target.path(), is_dir));
        // A mount attached to a shared mount becomes shared, and so do those attached to it.
        let is_unbindable = plan.steps.iter().any(Step::is_unbindable);
        let on_shared = (is_unbindable && is_shared(target.as_fd())).then(|| unbindable_on_shared(target));
        two_roots.into_iter().chain(unfit).chain(on_shared)
    }

    /// Fails for a target that is not a mount or that is the root directory, as
    /// [`DetachedSet::replace`](crate::set::build::detached_set::DetachedSet::replace) does.
    ///
    /// # Errors
    /// [`ErrorKind::NotMounted`], [`ErrorKind::Unsupported`].
    pub fn explain_replace(&self, target: &Target) -> Result<()> {
        check_replaceable(target)
    }

    fn why(&self, plan: &Plan, strategy: Strategy) -> &'static str {
        let features = &self.features;
        let is_helped = !plan.helpers().is_ok_and(Helpers::is_empty);
        match strategy {
            Strategy::Detached if plan.is_lone() => "a single mount is completed before it is attached",
            Strategy::Detached => "this kernel mounts into detached trees [6.15]",
            Strategy::PrivateNamespace if features.best() == Some(Strategy::Detached) => {
                "a mount becomes read-only when all are in place, which the kernel refuses in a detached \
                 tree; the set is copied out of a private mount namespace"
            }
            Strategy::PrivateNamespace => {
                "this kernel can't mount into detached trees [6.15], but the set can be copied out of a \
                 private mount namespace"
            }
            Strategy::StepByStep if is_helped => {
                "a mount helper attaches its mount itself; all other mounts are attached before it, in one \
                 step"
            }
            Strategy::StepByStep if features.forbidden_calls(plan.resolves_targets()).is_some() => {
                "a seccomp filter forbids the mount system calls of Linux 5.2 to 5.12: the set would be \
                 refused"
            }
            Strategy::StepByStep => {
                "this kernel can't mount into detached trees [6.15], and the set can't be copied out of a \
                 private mount namespace"
            }
        }
    }

    fn needs(&self, plan: &Plan) -> Vec<Needed> {
        let steps = || plan.steps.iter();
        let is_used = |name| match name {
            "new_mount_api" => true,
            "openat2" => steps().any(|step| !step.is_root()),
            "mount_setattr" => steps()
                .any(|step| matches!(step.what, What::Bind { .. }) || !step.options.single_attr().is_empty()),
            "overlay_layer_fds" => steps().any(|step| matches!(step.what, What::Overlay(_))),
            "open_tree_attr" => steps().any(|step| step.options.idmap.is_some()),
            "detached_children" => !plan.is_lone(),
            _ => false,
        };
        let used = kernel_features().iter().filter(|feature| is_used(feature.name));
        used.map(|feature| Needed { feature, is_there: feature.is_in(&self.features) }).collect()
    }
}
