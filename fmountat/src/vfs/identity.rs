// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Identifies the mount that a descriptor is on.

use crate::error::{Error, Operation, Result, Syscall};
use crate::mountinfo;
use crate::mountinfo::MountEntry;
use crate::mountinfo::id::{MountId, MountinfoId, stat_mount};
use crate::sys::listmount::newest_mount;
use crate::sys::statmount::{FS_TYPE, MNT_BASIC, statmount};
use crate::trace;
use rustix::fd::BorrowedFd;
use rustix::fs::{FileType, StatxAttributes, StatxFlags};
use rustix::io::Errno;
use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// Reports whether `fd` is the root of a mount.
pub(crate) fn is_mount_root(fd: BorrowedFd<'_>) -> Result<bool> {
    Ok(stat_mount(fd)?.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Returns the mount that `fd` is the root of, if it is a root.
pub(crate) fn mount_with_root(fd: BorrowedFd<'_>) -> Result<Option<MountId>> {
    let seen = stat_mount(fd)?;
    let is_root = seen.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
    Ok(is_root.then(|| MountId::from_number(seen.stx_mnt_id)))
}

/// Reports whether the mount that `fd` is on is attached in this thread's mount namespace. Uses
/// statmount(2), else the mount table.
pub(crate) fn is_attached_here(fd: BorrowedFd<'_>) -> Result<bool> {
    match statmount(MountId::of(fd)?.get(), MNT_BASIC) {
        Ok(_) => Ok(true),
        Err(Errno::NOSYS | Errno::PERM) => Ok(table_entry(fd)?.is_some()),
        Err(_) => Ok(false),
    }
}

/// Reports whether the mount that `fd` is on is shared; false where the table does not list it.
pub(crate) fn is_shared(fd: BorrowedFd<'_>) -> bool {
    table_entry(fd).ok().flatten().is_some_and(|entry| entry.shared.is_some())
}

/// Reports whether the mount that `fd` is on is unbindable; false where the table does not list it.
pub(crate) fn is_unbindable(fd: BorrowedFd<'_>) -> bool {
    table_entry(fd).ok().flatten().is_some_and(|entry| entry.unbindable)
}

/// Returns the mountinfo entry of the mount that `fd` is on. In a chroot there may be none.
pub(crate) fn table_entry(fd: BorrowedFd<'_>) -> Result<Option<MountEntry>> {
    let id = MountinfoId::of(fd)?;
    Ok(mountinfo::read()?.into_iter().find(|entry| entry.id == id))
}

/// Reports whether both are the same file on the same mount.
pub(crate) fn is_same_place(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> Result<bool> {
    let place = |fd| stat_mount(fd).map(|s| (s.stx_mnt_id, s.stx_dev_major, s.stx_dev_minor, s.stx_ino));
    Ok(place(one)? == place(other)?)
}

/// Reports whether both are the same file, on any mounts.
pub(crate) fn is_same_file(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> Result<bool> {
    let file = |fd| stat_mount(fd).map(|s| (s.stx_dev_major, s.stx_dev_minor, s.stx_ino));
    Ok(file(one)? == file(other)?)
}

/// Returns the type of the file system that `fd` is on, without asking that file system. Uses
/// statmount(2), else the mount table.
pub(crate) fn mounted_type(fd: BorrowedFd<'_>) -> Result<OsString> {
    let fstype = statmount(MountId::of(fd)?.get(), FS_TYPE).ok().and_then(|stat| stat.fs_type);
    if let Some(fstype) = fstype {
        return Ok(OsString::from_vec(fstype));
    }
    Ok(table_entry(fd)?.map(|entry| entry.fstype).unwrap_or_default())
}

/// The name of the operation in events.
const TELL_NEW_MOUNTS: &str = "tell new mounts from old ones";

/// The mounts that exist at one moment, to tell later ones from them.
#[derive(Debug)]
pub(crate) enum MountsBefore {
    /// The newest mount: unique ids only grow \[Linux 6.8\], and listmount(2) returns the newest
    /// \[Linux 6.11\].
    UpTo(MountId),
    /// The ids of all mounts in mountinfo.
    These(HashSet<MountinfoId>),
}

impl MountsBefore {
    pub(crate) fn now() -> Result<Self> {
        match newest_mount() {
            Ok(id) => {
                trace::strategy(TELL_NEW_MOUNTS, "newest unique id");
                Ok(Self::UpTo(MountId::from_number(id)))
            }
            Err(errno) => {
                trace::fallback(TELL_NEW_MOUNTS, "newest unique id", Some(errno));
                trace::strategy(TELL_NEW_MOUNTS, "/proc/PID/mountinfo");
                Ok(Self::These(mountinfo::read()?.into_iter().map(|entry| entry.id).collect()))
            }
        }
    }

    /// Reports whether `fd` is the root of a mount that did not exist before.
    pub(crate) fn has_new(&self, fd: BorrowedFd<'_>) -> Result<bool> {
        let is_new = match self {
            Self::UpTo(id) => MountId::of(fd)? > *id,
            Self::These(ids) => !ids.contains(&MountinfoId::of(fd)?),
        };
        Ok(is_new && is_mount_root(fd)?)
    }
}

/// Reports whether `fd` is a directory. Does not wait for a file server that does not answer.
pub(crate) fn is_dir(fd: BorrowedFd<'_>) -> Result<bool> {
    let stat = rustix::fs::statx(fd, "", crate::mountinfo::id::LOOK, StatxFlags::TYPE)
        .map_err(|e| Error::sys(Operation::LookAtFile, Syscall::Statx, e))?;
    Ok(FileType::from_raw_mode(stat.stx_mode.into()).is_dir())
}

/// Reports whether the file or directory has no name any more.
pub(crate) fn is_deleted(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fstat(fd).is_ok_and(|stat| stat.st_nlink == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsFd;

    #[test]
    fn the_table_and_the_calls_agree() {
        let proc = std::fs::File::open("/proc").unwrap();
        assert_eq!(mounted_type(proc.as_fd()).unwrap(), "proc");
        let id = MountinfoId::of(proc.as_fd()).unwrap();
        assert_eq!(table_entry(proc.as_fd()).unwrap().unwrap().fstype, "proc");
        for before in [MountsBefore::now().unwrap(), MountsBefore::These(HashSet::from([id]))] {
            assert!(!before.has_new(proc.as_fd()).unwrap(), "{before:?}");
        }
        for before in [MountsBefore::UpTo(MountId::from_number(0)), MountsBefore::These(HashSet::new())] {
            assert!(before.has_new(proc.as_fd()).unwrap(), "{before:?}");
        }
    }
}
