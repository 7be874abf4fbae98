// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Predicts whether a step's owners can be mapped in this user namespace.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::set::build::step_mount::unmapped_owner;
use crate::set::plan::step::{Step, What};
use crate::sys::procfs;
use crate::vfs::idmap::{IdMapping, Idmap, WITH_IDMAP};
use crate::vfs::mapped_ids::{IdKind, is_mapped};
use rustix::io::Errno;

/// File systems on which the kernel cannot map owners. All others are tried.
const NO_IDMAP: [&str; 9] =
    ["overlay", "proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue", "bpf", "ramfs"];

/// Fails if the owners in the step's mount cannot be mapped.
pub(crate) fn check_idmap(step: &Step) -> Result<()> {
    let Some(idmap) = &step.options.idmap else { return Ok(()) };
    check_ranges_mapped(idmap)?;
    // A bind mount is tried, and an overlay maps its layers.
    let What::Filesystem(fstype) = &step.what else { return Ok(()) };
    if NO_IDMAP.iter().any(|name| fstype == *name) {
        let error = Error::sys(Operation::MapIds, Syscall::MountSetattr, Errno::INVAL)
            .with_kind(ErrorKind::Unsupported);
        return Err(error.with_argument(fstype).with_reason("can't be id-mapped").with_hint(WITH_IDMAP));
    }
    Ok(())
}

/// Fails if the mapping contains ids that are not mapped in this user namespace.
fn check_ranges_mapped(idmap: &Idmap) -> Result<()> {
    let Idmap::Ranges { users, groups } = idmap else { return Ok(()) };
    procfs::need(Operation::MapIds)?;
    for (ranges, kind) in [(users, IdKind::User), (groups, IdKind::Group)] {
        if !ranges.iter().all(|IdMapping { outer, count, .. }| is_mapped(kind, *outer, *count)) {
            return Err(Error::sys(Operation::MapIds, Syscall::Write, Errno::PERM)
                .with_hint("map only to ids that are mapped in the current user namespace"));
        }
    }
    Ok(())
}

/// Fails if the owner of the new mount's root is not mapped in this user namespace.
pub(crate) fn check_owner_mapped(step: &Step) -> Result<()> {
    let (user, group) = step.options.owner;
    let exists = |id: Option<u32>, kind| id.is_none_or(|id| is_mapped(kind, id, 1));
    match exists(user, IdKind::User) && exists(group, IdKind::Group) {
        true => Ok(()),
        false => Err(unmapped_owner(step)),
    }
}
