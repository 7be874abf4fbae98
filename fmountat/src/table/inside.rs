// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finds the mounts below a mount, and those beneath it at the same mount point.
//!
//! No file system is asked, so a dead server cannot block the call.

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

/// A mount, its parent, and its mount point relative to the caller's root.
#[derive(Debug)]
pub(crate) struct RelatedMount {
    pub(crate) id: MountId,
    pub(crate) parent: MountId,
    pub(crate) place: PathBuf,
}

/// The mounts related to one mount.
#[derive(Debug)]
pub(crate) struct Around {
    /// The mount's own mount point.
    pub(crate) place: PathBuf,
    /// All mounts below it, the oldest first.
    pub(crate) inside: Vec<RelatedMount>,
    /// The mounts beneath it at the same mount point, from the top down.
    pub(crate) beneath: Vec<RelatedMount>,
}

/// Returns the mounts around the one that `fd` is on. Uses listmount(2) and statmount(2)
/// \[Linux 6.8\], else mountinfo.
pub(crate) fn around(fd: BorrowedFd<'_>) -> Result<Around> {
    let id = MountId::of(fd)?;
    if let Some(ids) = id.unique().and_then(|id| published::below(Some(id), 0).ok()) {
        let mut inside = Vec::with_capacity(ids.len());
        for id in ids {
            inside.extend(look_up(id.into())?);
        }
        let place = located::point(id)?;
        return Ok(Around { inside, beneath: beneath(id, &place)?, place });
    }
    let (table, number) = (mountinfo::read()?, MountinfoId::of(fd)?);
    let found = |entry: &MountEntry| RelatedMount {
        id: entry.id.into(),
        parent: entry.parent.into(),
        place: entry.target.clone(),
    };
    let mut inside: Vec<RelatedMount> =
        mountinfo::deepest_first(&table, number).into_iter().filter(|e| e.id != number).map(found).collect();
    inside.reverse();
    let entry = |number: MountinfoId| table.iter().find(|entry| entry.id == number);
    let place = located::entry(&table, number.into())?.target.clone();
    let below =
        |upper: &&MountEntry| entry(upper.parent).filter(|e| e.id != upper.id && e.target == upper.target);
    let beneath = std::iter::successors(entry(number), below).skip(1).map(found).collect();
    Ok(Around { place, inside, beneath })
}

fn beneath(id: MountId, place: &Path) -> Result<Vec<RelatedMount>> {
    let (mut upper, mut found) = (look_up(id)?, Vec::new());
    while let Some(known) = upper {
        // Mounts above the caller's root have no mount point here.
        upper = if known.parent == known.id {
            None
        } else {
            look_up(known.parent)?.filter(|lower| lower.place == place)
        };
        if known.id != id {
            found.push(known);
        }
    }
    Ok(found)
}

/// Looks up one mount. Returns `None` if it was unmounted meanwhile or is not visible here.
fn look_up(id: MountId) -> Result<Option<RelatedMount>> {
    let stat = match statmount(id.get(), MNT_BASIC | MNT_POINT) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => {
            return Err(Error::sys(Operation::FindMount, Syscall::Statmount, errno)
                .with_argument(id.get().to_string()));
        }
    };
    let place = stat.mnt_point.filter(|point| !point.is_empty());
    Ok(stat.basic.zip(place).map(|(basic, place)| RelatedMount {
        id,
        parent: MountId::from_number(basic.parent),
        place: OsString::from_vec(place).into(),
    }))
}
