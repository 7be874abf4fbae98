// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Unmounts published sets: one in one call, or many together.

use crate::error::{Error, ErrorKind, Holder, Operation, Result};
use crate::mountinfo::id::UniqueMountId;
use crate::table::holders::find as holders;
use crate::table::published::PublishedSet;
use crate::table::unmount::place::Place;
use crate::table::unmount::request::Unmount;
use crate::table::unmount::{batch, busy, call, errors, place};
use crate::table::{located, published};
use rustix::mount::UnmountFlags;
use std::path::Path;
use std::time::{Duration, Instant};

/// Unmounts one set. Fails if others have mounted in it.
pub(crate) fn one(unmount: &Unmount, set: &PublishedSet, deadline: Option<Instant>) -> Result<()> {
    let place = checked(set, &set.others()?)?;
    if !unmount.lazy {
        wait_for_users(set, &place, deadline)?;
    }
    from_the_top(set, place, deadline)
}

/// Unmounts many sets. First unmounts, one by one, the sets that are mounted inside others. Checks
/// each of the rest, moves those that can be moved below one mount, and unmounts that one in one
/// call.
pub(crate) fn many(unmount: &Unmount, sets: &[PublishedSet], deadline: Option<Instant>) -> Vec<Error> {
    let (mut errors, mut places, mut stacked) = (Vec::new(), Vec::new(), Vec::new());
    let (inner, sets) = published::inner_and_outer(sets);
    errors.extend(inner.iter().filter_map(|set| one(unmount, set, deadline).err()));
    // If no process uses any of them, one search suffices for all.
    let all = || holders::users_of(sets.iter().flat_map(PublishedSet::mounts).collect());
    let is_idle = unmount.lazy || all().is_ok_and(|users| users.is_empty());
    let others = match published::others_in(&sets) {
        Ok(others) => others,
        Err(error) => return [errors, vec![error]].concat(),
    };
    for (set, others) in sets.iter().zip(&others) {
        let place = checked(set, others).and_then(|place| match is_idle {
            true => Ok(place),
            false => wait_for_users(set, &place, deadline).map(|()| place),
        });
        match place {
            Ok(place) if place.id == set.root().into() => places.push(place),
            Ok(place) => stacked.push((set, place)),
            Err(error) => errors.push(error),
        }
    }
    // If other mounts of the set are stacked on its root, unmount one by one from the top.
    errors.extend(stacked.into_iter().filter_map(|(set, place)| from_the_top(set, place, deadline).err()));
    if places.len() > 2 {
        let (left, done) = batch::together(places);
        errors.extend(done.err());
        places = left;
    }
    errors.extend(places.iter().filter_map(|place| call::one(place, UnmountFlags::DETACH, deadline).err()));
    errors
}

/// Returns the mount point of the set, if it contains no mounts of others.
fn checked(set: &PublishedSet, others: &[UniqueMountId]) -> Result<Place> {
    let point = located::point(set.root().into())?;
    if !others.is_empty() {
        return Err(others_in_it(&point, others));
    }
    match Place::open(&point) {
        // The visible mount may be another mount of the set, stacked on the root.
        Ok(Some(place)) if set.mounts().any(|id| place.id == id.into()) => Ok(place),
        Err(error) if !place::is_hidden(&error) => Err(error),
        _ => Err(errors::covered(&point)),
    }
}

/// Unmounts the root, after the set's own mounts that are stacked on it.
fn from_the_top(set: &PublishedSet, mut top: Place, deadline: Option<Instant>) -> Result<()> {
    loop {
        let (point, is_root) = (top.path.clone(), top.id == set.root().into());
        call::one(&top, UnmountFlags::DETACH, deadline)?;
        if is_root {
            return Ok(());
        }
        top = match Place::open(&point)? {
            Some(place) if set.mounts().any(|id| place.id == id.into()) => place,
            _ => return Err(errors::covered(&point)),
        };
    }
}

fn others_in_it(point: &Path, others: &[UniqueMountId]) -> Error {
    let holder = |id: &UniqueMountId| Some(Holder::mount_below(located::point((*id).into()).ok()?));
    let reason = match others.len() {
        1 => String::from("contains a mount that does not belong to the set"),
        many => format!("contains {many} mounts that do not belong to the set"),
    };
    Error::new(ErrorKind::Busy, Operation::Unmount, reason)
        .with_argument(point)
        .with_holders(others.iter().filter_map(holder).collect())
        .with_hint("unmount those first, or unmount everything recursively: umount -R")
}

/// Waits until no process uses the set: `MNT_DETACH` does not check.
fn wait_for_users(set: &PublishedSet, place: &Place, deadline: Option<Instant>) -> Result<()> {
    loop {
        let found = holders::users_of(set.mounts().collect())?;
        if found.is_empty() {
            return Ok(());
        }
        if deadline.is_some_and(|end| Instant::now() >= end) {
            return Err(busy::in_use(&place.path, found));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
