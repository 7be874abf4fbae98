// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The mounts whose holders are searched.

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

/// The mounts to search for.
#[derive(Debug)]
pub(crate) struct Sought {
    mounts: Vec<MountId>,
    /// Mountinfo ids of the mount and of the copies that an unmount propagates to.
    number: Option<MountinfoId>,
    copies: Vec<MountinfoId>,
    pub(crate) points: Vec<PathBuf>,
    pub(crate) devices: Vec<(u32, u32)>,
}

/// Whether a file is on the mount itself or on a copy.
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

    /// Searches for any of these mounts. Mounts that no longer exist have no holders.
    pub(crate) fn any(mounts: Vec<UniqueMountId>) -> Self {
        let stat = |id: &UniqueMountId| statmount(id.get(), SB_BASIC | MNT_POINT).ok();
        let stat: Vec<_> = mounts.iter().filter_map(stat).collect();
        let devices = stat.iter().filter_map(|stat| stat.device).collect();
        let points = stat.into_iter().filter_map(|stat| Some(OsString::from_vec(stat.mnt_point?).into()));
        Self {
            number: None,
            copies: Vec::new(),
            points: points.collect(),
            devices,
            mounts: mounts.into_iter().map(MountId::from).collect(),
        }
    }

    /// Reports whether the file at `path` is on one of the mounts. Follows magic links. Does not
    /// ask the file system, so a dead server cannot block it.
    pub(crate) fn has(&self, path: &Path) -> Result<Option<Held>, Errno> {
        let flags = AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
        let statx = |mask| rustix::fs::statx(CWD, path, flags, mask).map(|found| found.stx_mnt_id);
        let number = match statx(id_mask()) {
            Ok(id) if self.mounts.iter().any(|mount| mount.get() == id) => return Ok(Some(Held::Mount)),
            Ok(_) if self.copies.is_empty() && self.mounts.iter().all(|mount| mount.unique().is_some()) => {
                return Ok(None);
            }
            Ok(_) => MountinfoId::from_number(statx(StatxFlags::MNT_ID)?),
            // FUSE denies access to everybody but the user that mounted it, root included.
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
