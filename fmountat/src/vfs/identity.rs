// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which mount a descriptor is on.

use crate::error::{Error, Result};
use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, Statx, StatxAttributes, StatxFlags};

/// `STATX_MNT_ID_UNIQUE` \[Linux 6.8\]: an id that is never used again, where `STATX_MNT_ID` is.
pub(crate) const STATX_MNT_ID_UNIQUE: StatxFlags = StatxFlags::from_bits_retain(0x4000);

/// The identity of a mount: the kernel's unique id where there is one \[Linux 6.8\], else the id of mountinfo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MountId(u64);

impl MountId {
    /// The mount that `fd` is on: `statx(fd, STATX_MNT_ID_UNIQUE)`.
    ///
    /// # Errors
    /// The errno of statx(2).
    pub fn of(fd: BorrowedFd<'_>) -> Result<Self> {
        Ok(Self(stat_mount(fd)?.stx_mnt_id))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

/// Whether `fd` is the root of a mount.
pub(crate) fn is_mount_root(fd: BorrowedFd<'_>) -> Result<bool> {
    Ok(stat_mount(fd)?.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// The id that `/proc/self/mountinfo` shows for the mount that `fd` is on \[Linux 5.8\].
pub(crate) fn mountinfo_id(fd: BorrowedFd<'_>) -> Result<u64> {
    let statx = rustix::fs::statx(fd, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID);
    Ok(statx.map_err(|e| Error::sys("look at the mount", "statx", e))?.stx_mnt_id)
}

fn stat_mount(fd: BorrowedFd<'_>) -> Result<Statx> {
    let mask = StatxFlags::TYPE | StatxFlags::MNT_ID | STATX_MNT_ID_UNIQUE;
    rustix::fs::statx(fd, "", AtFlags::EMPTY_PATH, mask)
        .map_err(|e| Error::sys("look at the mount", "statx", e))
}
