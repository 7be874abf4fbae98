// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Paths of devices and image files, for kernel interfaces that take no descriptor.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::sys::procfs::{name_for, path_for};
use crate::vfs::context::FSCONFIG_STRING_MAX;
use crate::vfs::identity::is_same_place;
use crate::vfs::target::Target;
use crate::vfs::unpinned::apart_from_tree;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use std::path::{Path, PathBuf};

/// Explains an error caused by a write-protected device or file.
pub(crate) fn write_protected(error: Error) -> Error {
    error
        .with_kind(ErrorKind::ReadOnlyDevice)
        .with_reason("it can't be written to, and `ro` was not asked for")
        .with_hint("mount it with `ro`")
}

/// A path that refers to a file as long as this value exists.
#[derive(Debug)]
pub(crate) struct DevicePath {
    path: PathBuf,
    /// The descriptor that a path of the form `/proc/thread-self/fd/N` refers to.
    _held: Option<OwnedFd>,
}

impl DevicePath {
    /// Returns the file's own path, so that the mount table shows it. Returns the descriptor's name
    /// in /proc if that path is too long for fsconfig(2), or if it does not refer to the file: the
    /// file is in a detached tree or in another mount namespace, or was renamed.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] without a genuine /proc; the errno of fcntl(2).
    pub(crate) fn of(file: &Target) -> Result<Self> {
        if let Some(mount) = apart_from_tree(file.as_fd()) {
            return Self::held(mount.into_fd());
        }
        let path = path_for(Operation::FindDevice, file.as_fd())?;
        if path.as_os_str().len() <= FSCONFIG_STRING_MAX {
            let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let found = rustix::fs::openat(CWD, &path, flags, Mode::empty());
            if found.is_ok_and(|found| is_same_place(found.as_fd(), file.as_fd()).unwrap_or(false)) {
                return Ok(Self { path, _held: None });
            }
        }
        let held = rustix::io::fcntl_dupfd_cloexec(file, 0)
            .map_err(|e| Error::sys(Operation::FindDevice, Syscall::Fcntl, e).with_argument(file.path()))?;
        Self::held(held)
    }

    fn held(fd: OwnedFd) -> Result<Self> {
        Ok(Self { path: name_for(Operation::FindDevice, fd.as_fd())?, _held: Some(fd) })
    }

    pub(crate) fn as_path(&self) -> &Path {
        &self.path
    }
}
