// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Copies the files of one directory into another: contents, owners, modes, extended attributes and
//! times. Symbolic links are copied, never followed.

use crate::error::{Error, Operation, Result, Syscall};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use std::ffi::CStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const OPEN: OFlags = OFlags::CLOEXEC.union(OFlags::NOFOLLOW);
const OPEN_DIRECTORY: OFlags = OPEN.union(OFlags::DIRECTORY);

/// Copies all files below the directory `from` into the directory `to`, which is empty. `path`
/// names `from` in errors. Hard links become separate files.
///
/// # Errors
/// The errno of the failed call, with the file as the argument: `ENOSPC` if `to` is too small.
pub(crate) fn copy_tree(from: BorrowedFd<'_>, to: BorrowedFd<'_>, path: &Path) -> Result<()> {
    let reopen = |dir: BorrowedFd<'_>| {
        rustix::fs::openat(dir, c".", OPEN_DIRECTORY, Mode::empty())
            .map_err(|errno| failed(Syscall::Openat, path, errno))
    };
    copy_directory(&Open { from: reopen(from)?, to: reopen(to)?, path: path.to_owned() })
}

/// A directory and its copy.
struct Open {
    from: OwnedFd,
    to: OwnedFd,
    path: PathBuf,
}

/// Copies the entries of a directory, and those of its directories. The number of open descriptors
/// is twice the depth.
fn copy_directory(open: &Open) -> Result<()> {
    let entries = Dir::read_from(&open.from).map_err(|errno| failed(Syscall::Openat, &open.path, errno))?;
    for entry in entries {
        let entry = entry.map_err(|errno| failed(Syscall::Openat, &open.path, errno))?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            copy_entry(open, entry.file_name())?;
        }
    }
    Ok(())
}

fn copy_entry(open: &Open, name: &CStr) -> Result<()> {
    let path = open.path.join(std::ffi::OsStr::from_bytes(name.to_bytes()));
    let fail = |call| move |errno| (call, errno);
    let copied = || -> std::result::Result<Option<Open>, (Syscall, Errno)> {
        let (from, to) = (&open.from, &open.to);
        let stat =
            rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW).map_err(fail(Syscall::Fstatat))?;
        let mode = Mode::from_raw_mode(stat.st_mode);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                rustix::fs::mkdirat(to, name, Mode::RWXU).map_err(fail(Syscall::Mkdirat))?;
                let opened = |dir| rustix::fs::openat(dir, name, OPEN_DIRECTORY, Mode::empty());
                let from = opened(from.as_fd()).map_err(fail(Syscall::Openat))?;
                let to = opened(to.as_fd()).map_err(fail(Syscall::Openat))?;
                return Ok(Some(Open { from, to, path: path.clone() }));
            }
            FileType::RegularFile => {
                let source = rustix::fs::openat(from, name, OPEN | OFlags::NONBLOCK, Mode::empty())
                    .map_err(fail(Syscall::Openat))?;
                let flags = OPEN | OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
                let copy = rustix::fs::openat(to, name, flags, Mode::RUSR | Mode::WUSR)
                    .map_err(fail(Syscall::Openat))?;
                let (mut source, mut copy) = (File::from(source), File::from(copy));
                std::io::copy(&mut source, &mut copy)
                    .map_err(|e| (Syscall::Write, Errno::from_io_error(&e).unwrap_or(Errno::IO)))?;
                set_attributes(source.as_fd(), copy.as_fd(), &stat)?;
            }
            FileType::Symlink => {
                let target =
                    rustix::fs::readlinkat(from, name, Vec::new()).map_err(fail(Syscall::Readlinkat))?;
                rustix::fs::symlinkat(&*target, to, name).map_err(fail(Syscall::Symlinkat))?;
                set_owner(to.as_fd(), name, &stat)?;
            }
            kind => {
                rustix::fs::mknodat(to, name, kind, mode, stat.st_rdev).map_err(fail(Syscall::Mknodat))?;
                set_owner(to.as_fd(), name, &stat)?;
            }
        }
        Ok(None)
    };
    let below = copied().map_err(|(call, errno)| failed(call, &path, errno))?;
    let Some(below) = below else { return Ok(()) };
    copy_directory(&below)?;
    // Sets the attributes last: new files change the times, and a mode may forbid new files.
    let stat = rustix::fs::fstat(&below.from).map_err(|errno| failed(Syscall::Fstat, &path, errno))?;
    set_attributes(below.from.as_fd(), below.to.as_fd(), &stat)
        .map_err(|(call, errno)| failed(call, &path, errno))
}

fn set_owner(dir: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> std::result::Result<(), (Syscall, Errno)> {
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    rustix::fs::chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|errno| (Syscall::Fchownat, errno))
}

/// Sets owner, mode, extended attributes and times. Sets the mode after the owner, because
/// chown(2) clears set-user-ID bits.
fn set_attributes(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    stat: &Stat,
) -> std::result::Result<(), (Syscall, Errno)> {
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    rustix::fs::fchown(to, Some(uid), Some(gid)).map_err(|errno| (Syscall::Fchownat, errno))?;
    rustix::fs::fchmod(to, Mode::from_raw_mode(stat.st_mode)).map_err(|errno| (Syscall::Fchmod, errno))?;
    copy_xattrs(from, to);
    let time = |seconds, nanoseconds| Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let times = Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec as _),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec as _),
    };
    rustix::fs::futimens(to, &times).map_err(|errno| (Syscall::Utimensat, errno))
}

/// Copies the extended attributes that a tmpfs of this kernel takes.
fn copy_xattrs(from: BorrowedFd<'_>, to: BorrowedFd<'_>) {
    let mut names = vec![0; 64 << 10];
    let Ok(length) = rustix::fs::flistxattr(from, &mut names) else { return };
    let mut value = vec![0; 64 << 10];
    for name in names.get(..length).unwrap_or_default().split_inclusive(|byte| *byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        if let Ok(length) = rustix::fs::fgetxattr(from, name, &mut value) {
            let _ =
                rustix::fs::fsetxattr(to, name, value.get(..length).unwrap_or_default(), XattrFlags::empty());
        }
    }
}

fn failed(call: Syscall, path: &Path, errno: Errno) -> Error {
    Error::sys(Operation::CopyUp, call, errno).with_argument(path)
}
