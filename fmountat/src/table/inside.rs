// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is mounted in a mount, and what is beneath it at its own place. No file system is asked.

use super::mountinfo::{self, MountEntry};
use super::{located, published};
use crate::error::Result;
use crate::sys::statmount::{MNT_BASIC, statmount};
use crate::vfs::identity::{MountId, mountinfo_id};
use rustix::fd::BorrowedFd;
use std::path::{Path, PathBuf};

/// A mount and its place, seen from the caller's root.
pub(crate) type Found = (MountId, PathBuf);

/// The mounts around one.
#[derive(Debug)]
pub(crate) struct Around {
    /// Its own place.
    pub(crate) place: PathBuf,
    /// All that are in it, the older ones first.
    pub(crate) inside: Vec<Found>,
    /// Those that are beneath it at its place, from the top down.
    pub(crate) beneath: Vec<Found>,
}

/// What is around the mount that `fd` is on: by listmount(2) and statmount(2) \[Linux 6.8\], else from the table.
pub(crate) fn around(fd: BorrowedFd<'_>) -> Result<Around> {
    let id = MountId::of(fd)?;
    if id.is_unique()
        && let Ok(ids) = published::below(id, 0)
    {
        // One that is gone meanwhile is not in it.
        let inside = ids.into_iter().filter_map(|id| Some((id, located::point(id).ok()?))).collect();
        let place = located::point(id)?;
        return Ok(Around { inside, beneath: beneath(id, &place), place });
    }
    let (table, number) = (mountinfo::read()?, mountinfo_id(fd)?);
    let found = |entry: &MountEntry| (MountId::from_number(entry.id), entry.target.clone());
    let mut inside: Vec<Found> =
        mountinfo::deepest_first(&table, number).into_iter().filter(|e| e.id != number).map(found).collect();
    inside.reverse();
    let entry = |number: u64| table.iter().find(|entry| entry.id == number);
    let place = located::entry(&table, MountId::from_number(number))?.target.clone();
    let below =
        |upper: &&MountEntry| entry(upper.parent).filter(|e| e.id != upper.id && e.target == upper.target);
    let beneath = std::iter::successors(entry(number), below).skip(1).map(found).collect();
    Ok(Around { place, inside, beneath })
}

fn beneath(id: MountId, place: &Path) -> Vec<Found> {
    let lower = |upper: &MountId| {
        let parent = MountId::from_number(statmount(upper.get(), MNT_BASIC).ok()?.basic?.parent);
        let is_there = || located::point(parent).is_ok_and(|point| point == place);
        (parent != *upper && is_there()).then_some(parent)
    };
    std::iter::successors(Some(id), lower).skip(1).map(|id| (id, place.to_owned())).collect()
}
