// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether a step's owners could be mapped here.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::set::build::step_mount::unmapped_owner;
use crate::set::plan::step::{Step, What};
use crate::sys::procfs;
use crate::vfs::features::Features;
use crate::vfs::idmap::{IdMapping, Idmap};
use crate::vfs::target::Target;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;

/// Those that the kernel can't map owners on; what is not here is tried.
const NO_IDMAP: [&str; 9] =
    ["overlay", "proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue", "bpf", "ramfs"];

/// Refuses to map the owners of what can't be mapped.
pub(crate) fn check_idmap(step: &Step, dir: BorrowedFd<'_>) -> Result<()> {
    let Some(idmap) = &step.options.idmap else { return Ok(()) };
    mapped_here(idmap)?;
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
        return Err(error
            .with_argument(argument)
            .with_reason("this file system does not support id-mapped mounts"));
    }
    Ok(())
}

/// A mapping can only lead to ids that exist where this runs.
fn mapped_here(idmap: &Idmap) -> Result<()> {
    let Idmap::Ranges { users, groups } = idmap else { return Ok(()) };
    procfs::need(Operation::MapIds)?;
    if Features::get().initial_user_namespace {
        return Ok(());
    }
    for (ranges, file) in [(users, "uid_map"), (groups, "gid_map")] {
        let known = known_here(file);
        if !ranges.iter().all(|IdMapping { outer, count, .. }| is_known(&known, *outer, *count)) {
            return Err(Error::sys(Operation::MapIds, Syscall::Write, Errno::PERM)
                .with_hint("map only to ids that are mapped in the current user namespace"));
        }
    }
    Ok(())
}

/// The owner of a new mount's root must exist here too.
pub(crate) fn owner_is_here(step: &Step) -> Result<()> {
    let (user, group) = step.options.owner;
    if Features::get().initial_user_namespace || procfs::check().is_err() {
        return Ok(());
    }
    let is_here = |id: Option<u32>, file| id.is_none_or(|id| is_known(&known_here(file), id, 1));
    match is_here(user, "uid_map") && is_here(group, "gid_map") {
        true => Ok(()),
        false => Err(unmapped_owner(step)),
    }
}

/// From where to where there are ids in this user namespace.
fn known_here(file: &str) -> Vec<(u64, u64)> {
    let text = procfs::text(&format!("thread-self/{file}")).unwrap_or_default();
    let range = |line: &str| {
        let mut numbers = line.split_whitespace().map(|number| number.parse::<u64>().ok());
        let (inside, count) = (numbers.next()??, numbers.nth(1)??);
        Some((inside, inside + count))
    };
    text.lines().filter_map(range).collect()
}

fn is_known(known: &[(u64, u64)], first: u32, count: u32) -> bool {
    let (first, end) = (u64::from(first), u64::from(first) + u64::from(count));
    known.iter().any(|(from, to)| *from <= first && end <= *to)
}
