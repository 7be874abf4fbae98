// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Names of devices and image files, for the kernel to look them up: it starts at the cwd, and takes no descriptor.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::sys::procfs::{name_for, path_for};
use crate::vfs::context::FSCONFIG_STRING_MAX;
use crate::vfs::identity::is_same_place;
use crate::vfs::target::Target;
use crate::vfs::unpinned::apart_from_tree;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use std::path::{Path, PathBuf};

/// The device's failure in the words of a user, who may not know that it is one that can't be written to.
pub(crate) fn write_protected(error: Error) -> Error {
    error
        .with_kind(ErrorKind::ReadOnlyDevice)
        .with_reason("it can't be written to, and `ro` was not asked for")
        .with_hint("mount it with `ro`")
}

/// A path that leads to a file while this is there.
#[derive(Debug)]
pub(crate) struct DevicePath {
    path: PathBuf,
    /// What a path of the form `/proc/thread-self/fd/N` leads to.
    _held: Option<OwnedFd>,
}

impl DevicePath {
    /// The file's own path, for mount tables to show. Where that is too long for fsconfig(2), or leads elsewhere (the file
    /// is in a detached tree, in another mount namespace, or was renamed), the descriptor's name.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] without a true /proc; the errno of fcntl(2).
    pub(crate) fn of(file: &Target) -> Result<Self> {
        if let Some(mount) = apart_from_tree(file.as_fd()) {
            return Self::held(mount.into_fd());
        }
        let path = path_for(Operation::FindDevice, file.as_fd())?;
        if path.as_os_str().len() <= FSCONFIG_STRING_MAX && leads_to(&path, file.as_fd()) {
            return Ok(Self { path, _held: None });
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

fn leads_to(path: &Path, file: BorrowedFd<'_>) -> bool {
    let found =
        rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty());
    found.is_ok_and(|found| is_same_place(found.as_fd(), file).unwrap_or(false))
}
