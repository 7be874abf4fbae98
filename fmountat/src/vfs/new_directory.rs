// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Creates a directory and opens that very directory, in a parent where others may rename.

use crate::error::Syscall;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, mkdirat, openat, renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::hash::{BuildHasher, Hasher, RandomState};

/// Why no directory was created.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A system call failed.
    Call(Syscall, Errno),
    /// Another process replaced the created directory.
    Replaced,
}

/// Creates the directory `name` in `parent`, and returns its descriptor (`O_PATH`).
///
/// mkdir(2) returns no descriptor, and the owner of the parent may replace the new directory before
/// it is opened. Therefore this function creates the directory in a temporary directory, in which
/// no other user can rename, opens it there, and moves it to its place.
///
/// # Errors
/// `EEXIST` if the name exists; [`Failure::Replaced`] if others can rename in the temporary
/// directory that was opened.
pub(crate) fn make(parent: BorrowedFd<'_>, name: &OsStr, mode: Mode) -> Result<OwnedFd, Failure> {
    let temporary = Temporary::new(parent)?;
    // The name is free in the temporary directory, unless another process has replaced that one.
    let new = &*temporary.name;
    mkdirat(&temporary.fd, new, mode).map_err(|errno| match errno {
        Errno::EXIST => Failure::Replaced,
        _ => Failure::Call(Syscall::Mkdirat, errno),
    })?;
    let moved = open(temporary.fd.as_fd(), new).and_then(|fd| {
        rename(temporary.fd.as_fd(), new, parent, name)?;
        Ok(fd)
    });
    moved.inspect_err(|_| {
        let _ = unlinkat(&temporary.fd, new, AtFlags::REMOVEDIR);
    })
}

/// A directory in which only its owner, the effective user, can create and rename files. Dropping
/// it removes it.
struct Temporary<'a> {
    parent: BorrowedFd<'a>,
    name: String,
    fd: OwnedFd,
}

impl<'a> Temporary<'a> {
    fn new(parent: BorrowedFd<'a>) -> Result<Self, Failure> {
        let name = format!(".fmountat-{:016x}", RandomState::new().build_hasher().finish());
        mkdirat(parent, &*name, Mode::RWXU).map_err(|e| Failure::Call(Syscall::Mkdirat, e))?;
        let opened = open(parent, &name).inspect_err(|_| {
            let _ = unlinkat(parent, &*name, AtFlags::REMOVEDIR);
        });
        let new = Self { parent, name, fd: opened? };
        let stat =
            statat(&new.fd, "", AtFlags::EMPTY_PATH).map_err(|e| Failure::Call(Syscall::Fstatat, e))?;
        let others_write = Mode::from_raw_mode(stat.st_mode).intersects(Mode::WGRP | Mode::WOTH);
        match stat.st_uid == rustix::process::geteuid().as_raw() && !others_write {
            true => Ok(new),
            false => Err(Failure::Replaced),
        }
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        // The owner of the parent may have moved it away. Whatever has its name then is removed
        // only if it is an empty directory, which that owner could do as well.
        let _ = unlinkat(self.parent, &*self.name, AtFlags::REMOVEDIR);
    }
}

fn open(dir: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(dir, name, flags, Mode::empty()).map_err(|errno| match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP => Failure::Replaced,
        _ => Failure::Call(Syscall::Openat, errno),
    })
}

fn rename(from: BorrowedFd<'_>, new: &str, parent: BorrowedFd<'_>, name: &OsStr) -> Result<(), Failure> {
    match renameat_with(from, new, parent, name, RenameFlags::NOREPLACE) {
        // Some file systems, such as NFS, lack the flag. An empty directory that exists by now is
        // replaced.
        Err(Errno::INVAL | Errno::NOSYS) => {
            renameat(from, new, parent, name).map_err(|e| Failure::Call(Syscall::Renameat, e))
        }
        done => done.map_err(|e| Failure::Call(Syscall::Renameat2, e)),
    }
}
