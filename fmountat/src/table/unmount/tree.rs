// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Several mounts: a stack from its top, a tree from its deepest, a locked one as a whole.

use crate::error::{Error, ErrorKind, Errors, Result};
use crate::mountinfo;
use crate::mountinfo::MountEntry;
use crate::mountinfo::id::MountinfoId;
use crate::table::holders::find as holders;
use crate::table::unmount::place::Place;
use crate::table::unmount::request::Unmount;
use crate::table::unmount::{busy, call, errors};
use rustix::io::Errno;
use std::time::{Duration, Instant};

/// All mounts of the stack that `top` is the top of, from the top down.
pub(crate) fn stack(unmount: &Unmount, top: &Place, deadline: Option<Instant>) -> Result<(), Errors> {
    let table = mountinfo::read()?;
    for entry in stack_of(&table, top.number) {
        let place = Place::of(entry).and_then(|seen| seen.ok_or_else(|| errors::exchanged(&top.path)));
        call::one(&place?, unmount.lazy, deadline)?;
    }
    Ok(())
}

/// The stack that `top` is the top of, and everything below it.
pub(crate) fn tree(unmount: &Unmount, top: &Place, deadline: Option<Instant>) -> Result<(), Errors> {
    let table = mountinfo::read()?;
    // What is stacked on the same place goes too, so start at the lowest mount there.
    let lowest = stack_of(&table, top.number).last().map_or(top.number, |entry| entry.id);
    let order = mountinfo::deepest_first(&table, lowest);
    if unmount.lazy {
        return Ok(whole(top, &order, deadline)?);
    }
    let mut errors = Vec::new();
    match deepest_first(&order, deadline, &mut errors) {
        Done::Tried => {}
        // One that can't go alone would take with it what has just been found to be in use.
        Done::Locked(error) if !errors.is_empty() => errors.push(error),
        Done::Locked(_) => errors.extend(locked(top, &order, deadline).err()),
    }
    Errors::check(errors)
}

enum Done {
    Tried,
    /// The kernel has locked them together (mount_namespaces(7)).
    Locked(Error),
}

/// Each mount after all that are mounted on it. One that another hides waits for that one to go.
fn deepest_first(order: &[&MountEntry], deadline: Option<Instant>, errors: &mut Vec<Error>) -> Done {
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
                Ok(Some(place)) => match call::one(&place, false, deadline) {
                    Err(error) if error.raw_errno() == Some(Errno::INVAL) => return Done::Locked(error),
                    done => errors.extend(done.err()),
                },
            }
        }
        // Unmounting one may have taken others with it, by propagation.
        if let Some(now) = (!later.is_empty()).then(mountinfo::read).and_then(Result::ok) {
            later.retain(|entry| now.iter().any(|other| other.id == entry.id));
        }
        if later.len() == left.len() {
            errors.extend(later.iter().map(|entry| errors::hidden(&entry.target)));
            return Done::Tried;
        }
        left = later;
    }
    Done::Tried
}

/// Mounts that the kernel has locked together, which only `MNT_DETACH` takes. That asks nobody who uses them, so we do.
fn locked(top: &Place, order: &[&MountEntry], deadline: Option<Instant>) -> Result<()> {
    let users = || -> Result<Vec<_>> {
        let mut found = Vec::new();
        for entry in order {
            match holders::of_processes(entry.id.into()) {
                // It has gone before.
                Err(error) if error.kind() == ErrorKind::NotMounted => {}
                holders => found.extend(holders?),
            }
        }
        Ok(found)
    };
    loop {
        let found = users()?;
        if found.is_empty() {
            return whole(top, order, deadline);
        }
        if deadline.is_some_and(|end| Instant::now() >= end) {
            return Err(busy::in_use(&top.path, found));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Each tree on the place, by `MNT_DETACH`.
fn whole(top: &Place, known: &[&MountEntry], deadline: Option<Instant>) -> Result<()> {
    for at in 0..known.len() {
        match top.again() {
            Ok(Some(place)) if known.iter().any(|entry| entry.id == place.number) => {
                call::one(&place, true, deadline)?;
            }
            Err(error) if at == 0 => return Err(error),
            _ if at == 0 => return Err(errors::exchanged(&top.path)),
            _ => return Ok(()),
        }
    }
    Ok(())
}

/// The mounts that are stacked on each other's root at one place, from `top` down.
fn stack_of(table: &[MountEntry], top: MountinfoId) -> Vec<&MountEntry> {
    let find = |id| table.iter().find(|entry| entry.id == id);
    let on_root_of = |entry: &&MountEntry| {
        find(entry.parent).filter(|parent| parent.target == entry.target && parent.id != entry.id)
    };
    std::iter::successors(find(top), on_root_of).collect()
}
