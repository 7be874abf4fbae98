// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What to make where a target is missing.

use crate::error::{Error, Operation, Result, Syscall};
use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, Gid, Uid};
use std::path::Path;

/// What to make where a target is missing: see [`Target::create_in_root`](crate::Target::create_in_root).
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
    /// A directory of this mode, less the umask, and missing parents alike.
    #[must_use]
    pub fn directory(mode: u32) -> Self {
        Self { mode, is_file: false, owner: None }
    }

    /// An empty file; missing parents become directories of this mode, less the umask.
    #[must_use]
    pub fn file(mode: u32) -> Self {
        Self { mode, is_file: true, owner: None }
    }

    /// The same, with all that is made given to this user and group. A file that others put in the place of what
    /// was made is never given away.
    #[must_use]
    pub fn owner(mut self, uid: u32, gid: u32) -> Self {
        self.owner = Some((uid, gid));
        self
    }

    /// Gives away what was made: `made` is the descriptor of that very file, whatever its name leads to now.
    pub(crate) fn give(self, made: BorrowedFd<'_>, walked: &Path) -> Result<()> {
        let Some((uid, gid)) = self.owner else { return Ok(()) };
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        rustix::fs::chownat(made, "", uid, gid, AtFlags::EMPTY_PATH).map_err(|e| {
            Error::sys(Operation::GiveMountPointAway, Syscall::Fchownat, e).with_argument(walked)
        })
    }
}
