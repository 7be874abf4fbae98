// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Passes the target to a helper as a path, and verifies the mount by the target's descriptor.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::kinds::helper::run::fusermount;
use crate::sys::procfs;
use crate::sys::spawn::spawn::Ended;
use crate::vfs::bytes::c_string;
use crate::vfs::detach::take_back;
use crate::vfs::identity::{MountsBefore, is_same_place};
use crate::vfs::target::{Target, open_error};
use crate::vfs::verify::moved;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A target, its path, and the mounts that existed before the helper ran.
#[derive(Debug)]
pub(crate) struct HelperTarget<'a> {
    target: &'a Target,
    path: PathBuf,
    before: MountsBefore,
}

impl<'a> HelperTarget<'a> {
    /// Finds the path of the target.
    ///
    /// # Errors
    /// [`ErrorKind::TargetMoved`] if the path does not refer to the target: it was removed or
    /// hidden by a mount, or is in a detached tree; [`ErrorKind::Unsupported`] for the root
    /// directory.
    pub(crate) fn of(target: &'a Target) -> Result<Self> {
        let path = real_path(target)?;
        if path.file_name().is_none() {
            let reason = "what is mounted on the root directory is not seen";
            return Err(Error::new(ErrorKind::Unsupported, Operation::RunMountHelper, reason)
                .with_argument(target.path()));
        }
        let found = Self { target, path, before: MountsBefore::now()? };
        match found.open_top()? {
            Some(top) if is_same_place(top.as_fd(), target.as_fd())? => Ok(found),
            _ => {
                let reason = "no path leads to the target, and a mount helper needs one: it was moved, removed or covered, or \
                     lies in a detached tree";
                Err(moved(target.path()).with_reason(reason))
            }
        }
    }

    /// Returns the path for the helper.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the root of the new mount on the target, if any.
    pub(crate) fn mounted(&self) -> Result<Option<OwnedFd>> {
        let top = self.open_top()?.ok_or_else(|| moved(self.target.path()))?;
        Ok(if self.before.has_new(top.as_fd())? { Some(top) } else { None })
    }

    /// Opens the top mount of the target by its name in the parent directory. Returns `None` unless
    /// the target has the same path before and after: a directory with a mount on it cannot be
    /// renamed, but the directories above can.
    fn open_top(&self) -> Result<Option<OwnedFd>> {
        if real_path(self.target)? != self.path {
            return Ok(None);
        }
        let Some(named) = found(Named::open(&self.path))? else { return Ok(None) };
        // The parent directory can be verified only for directories, by `..`.
        if self.target.is_dir()
            && !is_same_place(open(self.target, OsStr::new(".."))?.as_fd(), named.parent.as_fd())?
        {
            return Ok(None);
        }
        let top = found(named.open_top())?;
        Ok(if real_path(self.target)? == self.path { top } else { None })
    }

    /// Unmounts the helper's new mounts at the path, and on the target if its path has changed.
    /// Drops errors: the helper's failure is reported instead.
    pub(crate) fn take_back(&self) {
        /// The most mounts of one helper.
        const MAX_MOUNTS: usize = 8;
        let now = real_path(self.target).ok().filter(|now| *now != self.path);
        for path in [Some(&self.path), now.as_ref()].into_iter().flatten() {
            let mut rounds = 0..MAX_MOUNTS;
            while rounds.next().is_some() && self.take_back_one(path).is_some() {}
        }
    }

    fn take_back_one(&self, path: &Path) -> Option<()> {
        /// For callers that may unmount only by `fusermount3`.
        const LIMIT: Duration = Duration::from_secs(5);
        let named = Named::open(path).ok()?;
        let top = named.open_top().ok()?;
        if !self.before.has_new(top.as_fd()).ok()? {
            return None;
        }
        take_back(top.as_fd()).ok().or_else(|| {
            let (ended, _) = fusermount(named.parent.as_fd(), named.name, true, LIMIT)?;
            (ended == Ended::Exit(0)).then_some(())
        })
    }
}

/// A name in a directory.
struct Named<'a> {
    parent: OwnedFd,
    name: &'a OsStr,
}

impl<'a> Named<'a> {
    /// Opens the parent of a real path without following symbolic links.
    fn open(path: &'a Path) -> Result<Self> {
        let missing = || moved(path);
        let (dir, name) = path.parent().zip(path.file_name()).ok_or_else(missing)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::NO_SYMLINKS;
        let c_path = c_string(Operation::ReadTarget, dir)?;
        let parent = match rustix::fs::openat2(CWD, &*c_path, flags, Mode::empty(), resolve) {
            // openat2(2) is missing or a filter forbids it. The later check of the real path
            // detects a link.
            Err(Errno::NOSYS | Errno::PERM) => rustix::fs::openat(CWD, &*c_path, flags, Mode::empty()),
            other => other,
        };
        Ok(Self {
            parent: parent.map_err(|e| open_error(Operation::OpenTarget, Syscall::Openat2, dir, e))?,
            name,
        })
    }

    /// Opens the root of the mount on the name.
    fn open_top(&self) -> Result<OwnedFd> {
        open(&self.parent, self.name)
    }
}

/// Returns `None` for a name that does not exist or is reached by a symbolic link.
fn found<T>(opened: Result<T>) -> Result<Option<T>> {
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(error) if matches!(error.raw_errno(), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn open(dir: impl AsFd, name: &OsStr) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, &*c_string(Operation::ReadTarget, name)?, flags, Mode::empty())
        .map_err(|e| open_error(Operation::OpenTarget, Syscall::Openat, Path::new(name), e))
}

fn real_path(target: &Target) -> Result<PathBuf> {
    procfs::path_for(Operation::LookAtTarget, target.as_fd())
}
