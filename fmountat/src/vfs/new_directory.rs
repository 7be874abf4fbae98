// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A new directory with a descriptor that is certain to be its own, in a parent where others may rename.

use crate::error::Syscall;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, mkdirat, openat, renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::hash::{BuildHasher, Hasher, RandomState};

/// Why there is no new directory.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A system call failed.
    Call(Syscall, Errno),
    /// Somebody has put another file in the place of what was made.
    Replaced,
}

/// Makes the directory `name` in `parent`, and returns its descriptor (`O_PATH`).
///
/// mkdir(2) gives no descriptor, and who owns the parent may exchange what has been made before it is opened. So the directory is
/// made in a temporary one, in which nobody else can rename, and moved to its place once it is open.
///
/// # Errors
/// `EEXIST` if the name is taken; [`Failure::Replaced`] if the temporary directory that was opened is one in which others can rename.
pub(crate) fn make(parent: BorrowedFd<'_>, name: &OsStr, mode: Mode) -> Result<OwnedFd, Failure> {
    let temporary = Temporary::new(parent)?;
    // The name in it is free too, unless another directory of ours has been put there.
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

/// A directory in which its owner alone can make and rename files: the effective user. Dropping it removes it.
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
        // Who owns the parent may have moved it away: what is found there then is removed only if it is an empty directory, which
        // he could do as well.
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
        // A file system without that flag, as NFS: an empty directory that has come meanwhile is replaced.
        Err(Errno::INVAL | Errno::NOSYS) => {
            renameat(from, new, parent, name).map_err(|e| Failure::Call(Syscall::Renameat, e))
        }
        done => done.map_err(|e| Failure::Call(Syscall::Renameat2, e)),
    }
}
