// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The mounts whose users are looked for.

use crate::error::Result;
use crate::mountinfo::MountEntry;
use crate::mountinfo::id::{MountId, MountinfoId, UniqueMountId, id_mask};
use crate::sys::statmount::{MNT_POINT, SB_BASIC, statmount};
use crate::table::holders::copies;
use rustix::fs::{AtFlags, CWD, StatxFlags};
use rustix::io::Errno;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// What is looked for.
#[derive(Debug)]
pub(crate) struct Sought {
    mounts: Vec<MountId>,
    /// Ids in the table: of the mount, and of the copies that unmounting takes with it.
    number: Option<MountinfoId>,
    copies: Vec<MountinfoId>,
    pub(crate) points: Vec<PathBuf>,
    pub(crate) devices: Vec<(u32, u32)>,
}

/// How something lies on what is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    Mount,
    Copy,
}

impl Sought {
    pub(crate) fn new(mount: MountId, table: &[MountEntry], entry: &MountEntry) -> Self {
        Self {
            mounts: vec![mount],
            number: Some(entry.id),
            copies: copies::of(table, entry),
            points: vec![entry.target.clone()],
            devices: vec![entry.device],
        }
    }

    /// Any of these mounts, by their unique ids; those that are gone have no users.
    pub(crate) fn any(mounts: Vec<UniqueMountId>) -> Self {
        let told = |id: &UniqueMountId| statmount(id.get(), SB_BASIC | MNT_POINT).ok();
        let told: Vec<_> = mounts.iter().filter_map(told).collect();
        let devices = told.iter().filter_map(|told| told.device).collect();
        let points = told.into_iter().filter_map(|told| Some(OsString::from_vec(told.mnt_point?).into()));
        Self {
            number: None,
            copies: Vec::new(),
            points: points.collect(),
            devices,
            mounts: mounts.into_iter().map(MountId::from).collect(),
        }
    }

    /// Whether the file that `path` leads to, followed as magic links are, is on the mount. Nothing is asked of the file
    /// system: one whose server is dead can't hold us up.
    pub(crate) fn has(&self, path: &Path) -> Result<Option<Held>, Errno> {
        let flags = AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
        let statx = |mask| rustix::fs::statx(CWD, path, flags, mask).map(|found| found.stx_mnt_id);
        let number = match statx(id_mask()) {
            Ok(id) if self.mounts.iter().any(|mount| mount.get() == id) => return Ok(Some(Held::Mount)),
            Ok(_) if self.copies.is_empty() && self.mounts.iter().all(|mount| mount.unique().is_some()) => {
                return Ok(None);
            }
            Ok(_) => MountinfoId::from_number(statx(StatxFlags::MNT_ID)?),
            // FUSE keeps everybody but the user who mounted it out, root too.
            Err(Errno::ACCESS) => crate::table::fdinfo::mount_number_at(path).ok_or(Errno::ACCESS)?,
            Err(errno) => return Err(errno),
        };
        Ok(self.by_number(number))
    }

    fn by_number(&self, number: MountinfoId) -> Option<Held> {
        match number {
            number if Some(number) == self.number => Some(Held::Mount),
            number if self.copies.contains(&number) => Some(Held::Copy),
            _ => None,
        }
    }
}
