// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A plan on its target: in one step where the kernel can, else step by step with roll-back.

use super::apply::Built;
use super::mounter::Mounter;
use super::plan::Plan;
use super::stepwise::step_by_step;
use crate::error::{Error, ErrorKind, Result};
use crate::vfs::identity::MountId;
use crate::vfs::target::Target;
use rustix::fd::AsFd;
use std::fmt;

/// How a plan gets to its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Built detached, published in one step: others see none of it or all of it.
    Detached,
    /// Mounted one by one, each finished before the next; taken back when one fails. Others can see it half done, and
    /// `kill -9` leaves it so.
    StepByStep,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Detached => "built detached, published in one step",
            Self::StepByStep => "step by step, taken back on failure",
        })
    }
}

/// A plan that is in its place.
#[derive(Debug)]
pub struct Applied {
    /// The mount that is seen at the target; for a plan without a root, that of its first mount.
    pub id: MountId,
    /// The numbers of mounts that were left out, because their source is missing and they say `nofail`.
    pub left_out: Vec<usize>,
    /// The way that was taken.
    pub way: Way,
}

impl Mounter {
    /// The way that [`apply`](Self::apply) takes here: [`Way::Detached`] needs fsopen(2) and its like \[Linux 5.2\], and
    /// for several mounts that the kernel can mount into a detached tree \[Linux 6.15\].
    #[must_use]
    pub fn way(&self, plan: &Plan) -> Way {
        let is_lone = plan.len() == 1 && plan.has_root();
        match self.features.new_mount_api && (is_lone || self.features.detached_children) {
            true => Way::Detached,
            false => Way::StepByStep,
        }
    }

    /// Mounts the plan on `target`, by the [`way`](Self::way) that serves; relative sources and layers start at `dir`.
    ///
    /// # Errors
    /// Those of [`build`](Self::build) and [`Tree::attach`](crate::Tree::attach); nothing is left mounted. Step by step
    /// also [`ErrorKind::Unsupported`], before any change, for what mount(2) can't do: id mappings, `X-mount.subdir`,
    /// options over 4,095 bytes.
    pub fn apply(&self, dir: impl AsFd, plan: &Plan, target: &Target) -> Result<Applied> {
        let dir = dir.as_fd();
        match self.way(plan) {
            Way::Detached => {
                let mut built: Built = self.build(dir, plan, target)?;
                let left_out = std::mem::take(&mut built.left_out);
                let id = built.attach(target)?.id();
                Ok(Applied { id, left_out, way: Way::Detached })
            }
            Way::StepByStep => step_by_step(self, dir, plan, target),
        }
    }

    /// Refuses a plan that others could see half done here.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`].
    pub fn need_one_step(&self, plan: &Plan) -> Result<()> {
        if plan.len() == 1 || self.way(plan) == Way::Detached {
            return Ok(());
        }
        let reason = "on this kernel the set could be seen half done: it can't mount into a detached tree";
        Err(Error::new(ErrorKind::Unsupported, "choose the way", reason)
            .hinted("it needs Linux 6.15; without `--strict` the set is mounted step by step"))
    }
}
