// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Unmounts several mounts: a stack from its top, a tree deepest first, a locked tree as a whole.

use crate::error::{Error, ErrorKind, Errors, Result};
use crate::mountinfo;
use crate::mountinfo::MountEntry;
use crate::mountinfo::id::MountinfoId;
use crate::table::holders::find as holders;
use crate::table::unmount::place::Place;
use crate::table::unmount::request::Unmount;
use crate::table::unmount::{busy, call, errors};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;
use std::time::{Duration, Instant};

/// Unmounts the whole stack below and including `top`, from the top down.
pub(crate) fn stack(unmount: &Unmount, top: &Place, deadline: Option<Instant>) -> Result<(), Errors> {
    let table = mountinfo::read()?;
    for entry in stack_of(&table, top.number) {
        let place = Place::of(entry).and_then(|seen| seen.ok_or_else(|| errors::exchanged(&top.path)));
        call::one(&place?, unmount.flags(), deadline)?;
    }
    Ok(())
}

/// Unmounts the whole stack below and including `top`, and everything mounted below it.
pub(crate) fn tree(unmount: &Unmount, top: &Place, deadline: Option<Instant>) -> Result<(), Errors> {
    let table = mountinfo::read()?;
    // Start at the lowest mount of the stack to include all of it.
    let lowest = stack_of(&table, top.number).last().map_or(top.number, |entry| entry.id);
    let order = mountinfo::deepest_first(&table, lowest);
    if unmount.lazy {
        return Ok(detach_stack(top, &order, deadline)?);
    }
    let mut errors = Vec::new();
    match deepest_first(&order, deadline, &mut errors) {
        Outcome::Tried => {}
        // `MNT_DETACH` would also detach the mounts that were just found busy.
        Outcome::Locked(error) if !errors.is_empty() => errors.push(error),
        Outcome::Locked(_) => errors.extend(detach_locked(top, &order, deadline).err()),
    }
    Errors::check(errors)
}

enum Outcome {
    Tried,
    /// The kernel has locked the mounts together (mount_namespaces(7)).
    Locked(Error),
}

/// Unmounts each mount after all mounts on it. Retries hidden ones after the others.
fn deepest_first(order: &[&MountEntry], deadline: Option<Instant>, errors: &mut Vec<Error>) -> Outcome {
    let mut left = order.to_vec();
    while !left.is_empty() {
        let mut later: Vec<&MountEntry> = Vec::new();
        for entry in &left {
            if later.iter().any(|hidden| hidden.parent == entry.id) {
                later.push(entry);
                continue;
            }
            match Place::of(entry) {
                Ok(None) => later.push(entry),
                Err(error) => errors.push(error),
                Ok(Some(place)) => match call::one(&place, UnmountFlags::empty(), deadline) {
                    Err(error) if error.raw_errno() == Some(Errno::INVAL) => return Outcome::Locked(error),
                    done => errors.extend(done.err()),
                },
            }
        }
        // Propagation may have unmounted others too.
        if let Some(now) = (!later.is_empty()).then(mountinfo::read).and_then(Result::ok) {
            later.retain(|entry| now.iter().any(|other| other.id == entry.id));
        }
        if later.len() == left.len() {
            errors.extend(later.iter().map(|entry| errors::covered(&entry.target)));
            return Outcome::Tried;
        }
        left = later;
    }
    Outcome::Tried
}

/// Detaches locked mounts with `MNT_DETACH`, the only call that can unmount them. Waits first until
/// no process uses them: `MNT_DETACH` does not check.
fn detach_locked(top: &Place, order: &[&MountEntry], deadline: Option<Instant>) -> Result<()> {
    let users = || -> Result<Vec<_>> {
        let mut found = Vec::new();
        for entry in order {
            match holders::of_processes(entry.id.into()) {
                // It was unmounted already.
                Err(error) if error.kind() == ErrorKind::NotMounted => {}
                holders => found.extend(holders?),
            }
        }
        Ok(found)
    };
    loop {
        let found = users()?;
        if found.is_empty() {
            return detach_stack(top, order, deadline);
        }
        if deadline.is_some_and(|end| Instant::now() >= end) {
            return Err(busy::in_use(&top.path, found));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Detaches each tree of the stack at the place with `MNT_DETACH`.
fn detach_stack(top: &Place, known: &[&MountEntry], deadline: Option<Instant>) -> Result<()> {
    for at in 0..known.len() {
        match top.again() {
            Ok(Some(place)) if known.iter().any(|entry| entry.id == place.number) => {
                call::one(&place, UnmountFlags::DETACH, deadline)?;
            }
            Err(error) if at == 0 => return Err(error),
            _ if at == 0 => return Err(errors::exchanged(&top.path)),
            _ => return Ok(()),
        }
    }
    Ok(())
}

/// Returns the stack of mounts at one mount point, from `top` down.
fn stack_of(table: &[MountEntry], top: MountinfoId) -> Vec<&MountEntry> {
    let find = |id| table.iter().find(|entry| entry.id == id);
    let on_root_of = |entry: &&MountEntry| {
        find(entry.parent).filter(|parent| parent.target == entry.target && parent.id != entry.id)
    };
    std::iter::successors(find(top), on_root_of).collect()
}
