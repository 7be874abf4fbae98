// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is mounted in a mount, and what is beneath it at its own place. No file system is asked.

use crate::error::{Error, Operation, Result, Syscall};
use crate::mountinfo;
use crate::mountinfo::MountEntry;
use crate::mountinfo::id::{MountId, MountinfoId};
use crate::sys::statmount::{MNT_BASIC, MNT_POINT, statmount};
use crate::table::{located, published};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// A mount, the one that it is on, and its place, seen from the caller's root.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) id: MountId,
    pub(crate) parent: MountId,
    pub(crate) place: PathBuf,
}

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
    if let Some(ids) = id.unique().and_then(|id| published::below(Some(id), 0).ok()) {
        let mut inside = Vec::with_capacity(ids.len());
        for id in ids {
            inside.extend(look(id.into())?);
        }
        let place = located::point(id)?;
        return Ok(Around { inside, beneath: beneath(id, &place)?, place });
    }
    let (table, number) = (mountinfo::read()?, MountinfoId::of(fd)?);
    let found = |entry: &MountEntry| Found {
        id: entry.id.into(),
        parent: entry.parent.into(),
        place: entry.target.clone(),
    };
    let mut inside: Vec<Found> =
        mountinfo::deepest_first(&table, number).into_iter().filter(|e| e.id != number).map(found).collect();
    inside.reverse();
    let entry = |number: MountinfoId| table.iter().find(|entry| entry.id == number);
    let place = located::entry(&table, number.into())?.target.clone();
    let below =
        |upper: &&MountEntry| entry(upper.parent).filter(|e| e.id != upper.id && e.target == upper.target);
    let beneath = std::iter::successors(entry(number), below).skip(1).map(found).collect();
    Ok(Around { place, inside, beneath })
}

fn beneath(id: MountId, place: &Path) -> Result<Vec<Found>> {
    let (mut upper, mut found) = (look(id)?, Vec::new());
    while let Some(known) = upper {
        // What is above the caller's root has no place here.
        upper = if known.parent == known.id {
            None
        } else {
            look(known.parent)?.filter(|lower| lower.place == place)
        };
        if known.id != id {
            found.push(known);
        }
    }
    Ok(found)
}

/// One mount; `None` where it is gone meanwhile, or not to be seen from here.
fn look(id: MountId) -> Result<Option<Found>> {
    let told = match statmount(id.get(), MNT_BASIC | MNT_POINT) {
        Ok(told) => told,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => {
            return Err(Error::sys(Operation::FindMount, Syscall::Statmount, errno)
                .with_argument(id.get().to_string()));
        }
    };
    let place = told.mnt_point.filter(|point| !point.is_empty());
    Ok(told.basic.zip(place).map(|(basic, place)| Found {
        id,
        parent: MountId::from_number(basic.parent),
        place: OsString::from_vec(place).into(),
    }))
}
