// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Predicts whether a step's owners can be mapped in this user namespace.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::set::build::step_mount::unmapped_owner;
use crate::set::plan::step::{Step, What};
use crate::sys::procfs;
use crate::vfs::features::Features;
use crate::vfs::idmap::{IdMapping, Idmap};
use crate::vfs::target::Target;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;

/// File systems on which the kernel cannot map owners. All others are tried.
const NO_IDMAP: [&str; 9] =
    ["overlay", "proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue", "bpf", "ramfs"];

/// Fails if the owners in the step's mount cannot be mapped.
pub(crate) fn check_idmap(step: &Step, dir: BorrowedFd<'_>) -> Result<()> {
    let Some(idmap) = &step.options.idmap else { return Ok(()) };
    check_ranges_mapped(idmap)?;
    let (fstype, argument) = match &step.what {
        What::Overlay(_) => return Ok(()),
        What::Filesystem(fstype) => (fstype.clone(), fstype.clone()),
        What::Bind { .. } => {
            let source = Target::open(dir, &step.source)?;
            (crate::vfs::identity::mounted_type(source.as_fd())?, step.source.clone().into())
        }
    };
    if NO_IDMAP.iter().any(|name| fstype == *name) {
        let error = Error::sys(Operation::MapIds, Syscall::MountSetattr, Errno::INVAL)
            .with_kind(ErrorKind::Unsupported);
        return Err(error.with_argument(argument).with_reason("this file system can't be id-mapped"));
    }
    Ok(())
}

/// Fails if the mapping contains ids that are not mapped in this user namespace.
fn check_ranges_mapped(idmap: &Idmap) -> Result<()> {
    let Idmap::Ranges { users, groups } = idmap else { return Ok(()) };
    procfs::need(Operation::MapIds)?;
    if Features::get().initial_user_namespace {
        return Ok(());
    }
    for (ranges, file) in [(users, "uid_map"), (groups, "gid_map")] {
        let mapped = id_ranges(file);
        if !ranges.iter().all(|IdMapping { outer, count, .. }| is_mapped(&mapped, *outer, *count)) {
            return Err(Error::sys(Operation::MapIds, Syscall::Write, Errno::PERM)
                .with_hint("a mapping can only lead to ids that are mapped where this runs"));
        }
    }
    Ok(())
}

/// Fails if the owner of the new mount's root is not mapped in this user namespace.
pub(crate) fn check_owner_mapped(step: &Step) -> Result<()> {
    let (user, group) = step.options.owner;
    if Features::get().initial_user_namespace || procfs::check().is_err() {
        return Ok(());
    }
    let exists = |id: Option<u32>, file| id.is_none_or(|id| is_mapped(&id_ranges(file), id, 1));
    match exists(user, "uid_map") && exists(group, "gid_map") {
        true => Ok(()),
        false => Err(unmapped_owner(step)),
    }
}

/// Returns the id ranges of this user namespace: the first id and the end of each.
fn id_ranges(file: &str) -> Vec<(u64, u64)> {
    let text = procfs::text(&format!("thread-self/{file}")).unwrap_or_default();
    let range = |line: &str| {
        let mut numbers = line.split_whitespace().map(|number| number.parse::<u64>().ok());
        let (inside, count) = (numbers.next()??, numbers.nth(1)??);
        Some((inside, inside + count))
    };
    text.lines().filter_map(range).collect()
}

fn is_mapped(mapped: &[(u64, u64)], first: u32, count: u32) -> bool {
    let (first, end) = (u64::from(first), u64::from(first) + u64::from(count));
    mapped.iter().any(|(from, to)| *from <= first && end <= *to)
}
