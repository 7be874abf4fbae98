// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What to create where a target is missing.

use crate::error::{Error, Operation, Result, Syscall};
use crate::sys::procfs;
use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, Gid, Uid};
use rustix::io::Errno;
use std::path::Path;

/// What to create where a target is missing: see
/// [`Target::create_in_root`](crate::Target::create_in_root).
///
/// ```
/// use fmountat::Create;
/// let theirs = Create::directory(0o700).owner(1000, 1000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Create {
    pub(crate) mode: u32,
    pub(crate) is_file: bool,
    pub(crate) owner: Option<(u32, u32)>,
}

impl Create {
    /// Creates a directory, and missing parents, with this mode less the umask.
    #[must_use]
    pub fn directory(mode: u32) -> Self {
        Self { mode, is_file: false, owner: None }
    }

    /// Creates an empty file. Missing parents become directories with this mode less the umask.
    #[must_use]
    pub fn file(mode: u32) -> Self {
        Self { mode, is_file: true, owner: None }
    }

    /// Gives everything that is created to this user and group. Never changes the owner of a file
    /// that others put in its place.
    #[must_use]
    pub fn owner(mut self, uid: u32, gid: u32) -> Self {
        self.owner = Some((uid, gid));
        self
    }

    /// Changes the owner of what was created. `made` is the descriptor of that very file, wherever
    /// its name leads by now.
    pub(crate) fn give(self, made: BorrowedFd<'_>, path: &Path) -> Result<()> {
        let Some((uid, gid)) = self.owner else { return Ok(()) };
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        rustix::fs::chownat(made, "", uid, gid, AtFlags::EMPTY_PATH)
            .map_err(|e| give_error(e).with_argument(path))
    }
}

fn give_error(errno: Errno) -> Error {
    let error = Error::sys(Operation::GiveMountPointAway, Syscall::Fchownat, errno);
    match errno {
        Errno::INVAL => error
            .with_reason("the user or group is not mapped in this user namespace")
            .with_hint(procfs::SEE_ID_MAPS),
        _ => error,
    }
}
