// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finds the mount helpers of a plan.

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::kinds::helper::Helper;
use crate::set::plan::step::{Step, What};
use std::collections::HashMap;
use std::ffi::OsStr;

/// The mount helpers of a plan, by the number of their step.
#[derive(Debug, Clone, Default)]
pub(crate) struct Helpers(HashMap<usize, Helper>);

/// The file systems of the kernel that every container has. No mount helper exists for them, and
/// the search takes four calls for each.
const WITHOUT_HELPER: [&str; 7] = ["proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2"];

impl Helpers {
    /// Searches the helper of each type: `mount.fuse` or `mount.fuse3` for FUSE types, `mount.TYPE`
    /// for the others.
    pub(crate) fn find(steps: &[Step], of_step: impl Fn(&Step, Error) -> Error) -> Result<Self> {
        let mut helpers = HashMap::new();
        let mut without: Vec<&OsStr> = Vec::new();
        for step in steps {
            let What::Filesystem(fstype) = &step.what else { continue };
            if without.contains(&fstype.as_os_str()) || WITHOUT_HELPER.iter().any(|one| one == fstype) {
                continue;
            }
            match Helper::find(fstype).map_err(|e| of_step(step, e))? {
                Some(helper) => drop(helpers.insert(step.number, helper)),
                None => without.push(fstype),
            }
        }
        Ok(Self(helpers))
    }

    /// Returns the helper that makes the step's mount, if there is one.
    pub(crate) fn of(&self, step: &Step) -> Option<&Helper> {
        self.0.get(&step.number)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reports whether the helpers can run after all other mounts: none of those is below a
    /// helper's mount.
    pub(crate) fn can_be_last(&self, steps: &[Step]) -> bool {
        let below = |step: &Step, helped: &Step| {
            step.number > helped.number && (helped.is_root() || step.target.starts_with(&helped.target))
        };
        let (helped, others): (Vec<_>, Vec<_>) = steps.iter().partition(|step| self.of(step).is_some());
        helped.iter().all(|helped| others.iter().all(|step| !below(step, helped)))
    }
}

/// Refuses options that need a detached mount. A helper mounts on its own and cannot apply them.
pub(crate) fn check_helped(step: &Step) -> Result<()> {
    let option = match &step.options {
        options if options.idmap.is_some() => "idmap",
        options if options.subdir.is_some() => "X-mount.subdir",
        options if options.loop_device.is_some() => "loop",
        _ => return Ok(()),
    };
    let reason = "the type's mount helper does not support this option";
    Err(Error::new(ErrorKind::OptionConflict, Operation::ReadOption, reason).with_argument(option))
}
