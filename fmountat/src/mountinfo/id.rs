// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which mount a descriptor is on: the unique id of the kernel, and the reused number of mountinfo.

use crate::error::{Error, Operation, Result, Syscall};
use crate::sys::statmount::may_be_asked;
use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, Statx, StatxFlags};

/// `STATX_MNT_ID_UNIQUE` \[Linux 6.8\]: an id that is never used again, where `STATX_MNT_ID` is.
pub(crate) const STATX_MNT_ID_UNIQUE: StatxFlags = StatxFlags::from_bits_retain(0x4000);

/// What statx(2) is asked for the id of a mount: the unique one, where statmount(2) can be asked about it. Profiles that
/// know statx and not statmount (podman's) would leave us with an id that nobody takes.
pub(crate) fn id_mask() -> StatxFlags {
    match may_be_asked() {
        true => StatxFlags::MNT_ID | STATX_MNT_ID_UNIQUE,
        false => StatxFlags::MNT_ID,
    }
}

/// The file system is not asked: what a mount is the kernel knows by itself, and a dead file server must not hold us up.
pub(crate) const LOOK: AtFlags = AtFlags::EMPTY_PATH.union(AtFlags::STATX_DONT_SYNC);

/// The identity of a mount: the kernel's unique id where there is one \[Linux 6.8\] and statmount(2) is not forbidden, else
/// the id of mountinfo.
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

    /// The mount with this number: the unique id \[Linux 6.8\], or the one that mountinfo shows, which another mount
    /// may have once this one is gone. Nothing is looked at.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// Unique ids begin above the numbers that mountinfo can have (`MNT_UNIQUE_ID_OFFSET`, fs/namespace.c).
    pub(crate) fn is_unique(self) -> bool {
        self.0 > 1 << 31
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

/// The id that `/proc/self/mountinfo` shows for the mount that `fd` is on \[Linux 5.8\].
pub(crate) fn mountinfo_id(fd: BorrowedFd<'_>) -> Result<u64> {
    let statx = rustix::fs::statx(fd, "", LOOK, StatxFlags::MNT_ID);
    Ok(statx.map_err(|e| Error::sys(Operation::LookAtMount, Syscall::Statx, e))?.stx_mnt_id)
}

pub(crate) fn stat_mount(fd: BorrowedFd<'_>) -> Result<Statx> {
    let mask = StatxFlags::TYPE | StatxFlags::INO | id_mask();
    rustix::fs::statx(fd, "", LOOK, mask).map_err(|e| Error::sys(Operation::LookAtMount, Syscall::Statx, e))
}
