// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which mount a descriptor is on: the unique id of the kernel, and the reused number of mountinfo.

use crate::error::{Error, Operation, Result, Syscall};
use crate::sys::statmount::may_be_asked;
use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, Statx, StatxFlags};
use std::fmt;

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

/// The kernel's unique id of a mount \[Linux 6.8\]: no other mount has it until the machine boots again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UniqueMountId(u64);

/// The id of a mount in `/proc/PID/mountinfo`: another mount can have it once this one is unmounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MountinfoId(u64);

/// The best identity of a mount that this kernel gives: the unique id where statmount(2) is there \[Linux 6.8\] and no filter
/// forbids it, else the id in mountinfo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MountId {
    /// The id in mountinfo.
    Mountinfo(MountinfoId),
    /// The unique id.
    Unique(UniqueMountId),
}

impl UniqueMountId {
    /// Takes a unique id. `None` for a number that mountinfo can have: unique ids begin above those (`MNT_UNIQUE_ID_OFFSET`,
    /// fs/namespace.c). No system call is made.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        (number > 1 << 31).then_some(Self(number))
    }

    /// Returns the number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

impl MountinfoId {
    /// Takes a number of mountinfo. No system call is made.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// Returns the id in mountinfo of the mount that `fd` is on: `statx(fd, STATX_MNT_ID)` \[Linux 5.8\].
    ///
    /// # Errors
    /// The errno of statx(2).
    pub fn of(fd: BorrowedFd<'_>) -> Result<Self> {
        let statx = rustix::fs::statx(fd, "", LOOK, StatxFlags::MNT_ID);
        Ok(Self(statx.map_err(|e| Error::sys(Operation::LookAtMount, Syscall::Statx, e))?.stx_mnt_id))
    }

    /// Returns the number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

impl MountId {
    /// Returns the identity of the mount that `fd` is on: `statx(fd, STATX_MNT_ID_UNIQUE)`.
    ///
    /// # Errors
    /// The errno of statx(2).
    pub fn of(fd: BorrowedFd<'_>) -> Result<Self> {
        Ok(Self::from_number(stat_mount(fd)?.stx_mnt_id))
    }

    /// Tells by its size whether a number is a unique id or one of mountinfo. No system call is made.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        UniqueMountId::from_number(number).map_or(Self::Mountinfo(MountinfoId(number)), Self::Unique)
    }

    /// Returns the unique id, if it is one.
    #[must_use]
    pub fn unique(self) -> Option<UniqueMountId> {
        match self {
            Self::Unique(id) => Some(id),
            Self::Mountinfo(_) => None,
        }
    }

    /// Returns the number.
    #[must_use]
    pub fn get(self) -> u64 {
        match self {
            Self::Unique(id) => id.0,
            Self::Mountinfo(id) => id.0,
        }
    }
}

impl From<UniqueMountId> for MountId {
    fn from(id: UniqueMountId) -> Self {
        Self::Unique(id)
    }
}

impl From<MountinfoId> for MountId {
    fn from(id: MountinfoId) -> Self {
        Self::Mountinfo(id)
    }
}

impl fmt::Display for UniqueMountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for MountinfoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for MountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

pub(crate) fn stat_mount(fd: BorrowedFd<'_>) -> Result<Statx> {
    let mask = StatxFlags::TYPE | StatxFlags::INO | id_mask();
    rustix::fs::statx(fd, "", LOOK, mask).map_err(|e| Error::sys(Operation::LookAtMount, Syscall::Statx, e))
}
