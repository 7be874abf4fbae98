// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The directory of the journal.
//!
//! An entry is a file with one line for each mount and directory, written before the mount is
//! attached. The entry is removed when the set is complete or rolled back. Its writer holds a lock
//! on it (flock(2)), which the kernel releases when the writer dies.

use crate::error::{Error, Operation, Result, Syscall};
use crate::sys::nsfs::mount_namespace_id;
use crate::sys::procfs;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use std::path::Path;

/// Opens the directory. Fails with EPERM if another user owns it or can write to it.
pub(crate) fn open_directory(path: &Path) -> Result<OwnedFd> {
    let named = |call, errno| Error::sys(Operation::OpenNotes, call, errno).with_argument(path);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(|e| named(Syscall::Openat, e))?;
    let stat = rustix::fs::fstat(&dir).map_err(|e| named(Syscall::Fstat, e))?;
    let others = Mode::from_raw_mode(stat.st_mode).intersects(Mode::WGRP | Mode::WOTH);
    if stat.st_uid != rustix::process::geteuid().as_raw() || others {
        return Err(
            named(Syscall::Fstat, Errno::PERM).with_reason("somebody else can write to this directory")
        );
    }
    Ok(dir)
}

/// Removes an entry, and the directory if it was the last one.
pub(crate) fn remove(path: &Path, dir: &OwnedFd, name: &str) {
    // We unlink no other file. This one is ours, in a directory to which no other user can write.
    let _ = rustix::fs::unlinkat(dir, name, AtFlags::empty());
    let _ = rustix::fs::unlinkat(CWD, path, AtFlags::REMOVEDIR);
}

/// Returns the id of this boot, which no other boot has.
pub(crate) fn boot_id() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

/// Returns the inode number of this thread's mount namespace.
pub(crate) fn namespace() -> Option<u64> {
    Some(rustix::fs::fstat(procfs::namespace("mnt").ok()?).ok()?.st_ino)
}

/// Returns the unique id of this thread's mount namespace \[Linux 6.11\].
pub(crate) fn namespace_id() -> Option<u64> {
    mount_namespace_id(procfs::namespace("mnt").ok()?.as_fd()).ok()
}
