// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two ids of a mount: the kernel's unique id and the reused mountinfo id.

use crate::error::{Error, Operation, Result, Syscall};
use crate::sys::statmount::may_be_asked;
use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, Statx, StatxFlags};
use std::fmt;

/// `STATX_MNT_ID_UNIQUE` \[Linux 6.8\]: an id that is never reused, unlike `STATX_MNT_ID`.
pub(crate) const STATX_MNT_ID_UNIQUE: StatxFlags = StatxFlags::from_bits_retain(0x4000);

/// Returns the statx(2) mask for a mount id: the unique id if statmount(2) accepts it. Some seccomp
/// profiles (podman's) allow statx but not statmount, which would make the unique id useless.
pub(crate) fn id_mask() -> StatxFlags {
    match may_be_asked() {
        true => StatxFlags::MNT_ID | STATX_MNT_ID_UNIQUE,
        false => StatxFlags::MNT_ID,
    }
}

/// Does not ask the file system: the kernel knows the mount, and a dead file server must not block
/// the call.
pub(crate) const LOOK: AtFlags = AtFlags::EMPTY_PATH.union(AtFlags::STATX_DONT_SYNC);

/// The kernel's unique id of a mount \[Linux 6.8\]. It is not reused until the next boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UniqueMountId(u64);

/// The id of a mount in `/proc/PID/mountinfo`. It may be reused after the unmount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MountinfoId(u64);

/// The best identity of a mount on this kernel: the unique id if statmount(2) exists \[Linux 6.8\]
/// and no filter forbids it, else the mountinfo id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MountId {
    /// The mountinfo id.
    Mountinfo(MountinfoId),
    /// The unique id.
    Unique(UniqueMountId),
}

impl UniqueMountId {
    /// Converts a number to a unique id. Returns `None` for a number in the range of mountinfo ids:
    /// unique ids start above it (`MNT_UNIQUE_ID_OFFSET`, fs/namespace.c). Makes no system call.
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
    /// Converts a number from mountinfo. Makes no system call.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// Returns the mountinfo id of the mount that `fd` is on: `statx(fd, STATX_MNT_ID)`
    /// \[Linux 5.8\].
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
    /// Returns the id of the mount that `fd` is on: `statx(fd, STATX_MNT_ID_UNIQUE)`.
    ///
    /// # Errors
    /// The errno of statx(2).
    pub fn of(fd: BorrowedFd<'_>) -> Result<Self> {
        Ok(Self::from_number(stat_mount(fd)?.stx_mnt_id))
    }

    /// Converts a number to a unique id or a mountinfo id, depending on its range. Makes no system
    /// call.
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
