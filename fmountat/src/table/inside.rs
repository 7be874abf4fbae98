// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is mounted in a mount, and what is beneath it at its own place. No file system is asked.

use super::mountinfo::{self, MountEntry};
use super::{located, published};
use crate::error::{Error, ErrorKind, Result};
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
        let mut inside = Vec::with_capacity(ids.len());
        for id in ids {
            inside.extend(point(id)?.map(|place| (id, place)));
        }
        let place = located::point(id)?;
        return Ok(Around { inside, beneath: beneath(id, &place)?, place });
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

fn beneath(id: MountId, place: &Path) -> Result<Vec<Found>> {
    let (mut upper, mut found) = (id, Vec::new());
    loop {
        let told = statmount(upper.get(), MNT_BASIC);
        let told = told.map_err(|errno| Error::sys("find the mount", "statmount", errno).arg(place))?;
        let Some(lower) = told.basic.map(|basic| MountId::from_number(basic.parent)) else {
            return Ok(found);
        };
        // What is above the caller's root has no place here.
        if lower == upper || point(lower)?.as_deref() != Some(place) {
            return Ok(found);
        }
        found.push((lower, place.to_owned()));
        upper = lower;
    }
}

/// Where a mount is; `None` for one that is gone meanwhile, or is not to be seen from here.
fn point(id: MountId) -> Result<Option<PathBuf>> {
    match located::point(id) {
        Ok(place) => Ok(Some(place)),
        Err(error) if error.kind() == ErrorKind::NotMounted => Ok(None),
        Err(error) => Err(error),
    }
}
