// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Creates the directories and the file of a mount point, without following what replaces them.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::vfs::create::Create;
use crate::vfs::created_dirs::CreatedDirs;
use crate::vfs::identity::is_same_file;
use crate::vfs::new_directory;
use crate::vfs::new_directory::Failure;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::path::Path;

/// Creates a directory and returns its descriptor, or `None` if the name exists.
pub(crate) fn make_directory(
    parent: OwnedFd,
    name: &OsStr,
    create: Create,
    walked: &Path,
    made: &CreatedDirs,
) -> Result<Option<OwnedFd>> {
    let mode = Mode::from_raw_mode(create.mode);
    if create.owner.is_none() {
        return match rustix::fs::mkdirat(&parent, name, mode) {
            Ok(()) => {
                let new = open_made(&parent, name, OFlags::DIRECTORY, walked);
                made.add(parent, name);
                new.map(Some)
            }
            Err(Errno::EXIST) => Ok(None),
            Err(errno) => Err(make_error(Syscall::Mkdirat, errno, walked)),
        };
    }
    match new_directory::make(parent.as_fd(), name, mode) {
        Ok(new) => {
            made.add(parent, name);
            create.give(new.as_fd(), walked)?;
            Ok(Some(new))
        }
        Err(Failure::Call(_, Errno::EXIST)) => Ok(None),
        Err(Failure::Call(call, errno)) => Err(make_error(call, errno, walked)),
        Err(Failure::Replaced) => Err(replaced(walked)),
    }
}

/// Creates a file and returns its descriptor, or `None` if the name exists.
pub(crate) fn make_file(
    parent: &OwnedFd,
    name: &OsStr,
    create: Create,
    walked: &Path,
) -> Result<Option<OwnedFd>> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    match rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o644)) {
        Ok(made) => {
            create.give(made.as_fd(), walked)?;
            // A writable descriptor would keep the file system busy.
            let new = open_made(parent, name, OFlags::empty(), walked)?;
            if is_same_file(made.as_fd(), new.as_fd())? { Ok(Some(new)) } else { Err(replaced(walked)) }
        }
        Err(Errno::EXIST) => Ok(None),
        Err(errno) => Err(make_error(Syscall::Openat, errno, walked)),
    }
}

/// Opens what was created with `O_PATH`, without following a link.
fn open_made(parent: &OwnedFd, name: &OsStr, flags: OFlags, walked: &Path) -> Result<OwnedFd> {
    let flags = flags | OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty()).map_err(|errno| match errno {
        Errno::NOENT | Errno::NOTDIR => replaced(walked),
        _ => make_error(Syscall::Openat, errno, walked),
    })
}

/// Returns the error for a created file or directory that its name does not lead to.
fn replaced(walked: &Path) -> Error {
    Error::new(
        ErrorKind::TargetMoved,
        Operation::MakeMountPoint,
        "the new mount point was moved or replaced at the same time",
    )
    .with_argument(walked)
    .with_hint(
        "try again, or create the mount point beforehand: another process renamed files in that directory",
    )
}

/// Returns the error for a mount point that can't be created.
pub(crate) fn make_error(call: Syscall, errno: Errno, walked: &Path) -> Error {
    let error = Error::sys(Operation::MakeMountPoint, call, errno).with_argument(walked);
    match errno {
        Errno::ACCESS | Errno::OVERFLOW => error.with_hint(
            "create the mount point beforehand, or change the owner of the layers to the current user: the \
             parent directory may belong to a user that is not mapped in this user namespace",
        ),
        Errno::ROFS => error.with_hint("create the mount point beforehand: its file system is read-only"),
        _ => error,
    }
}
