// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The place a helper mounts on: it goes by a path, and what is mounted must be on the descriptor that the path was read from.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::kinds::helper::run::{in_path, run_program};
use crate::sys::procfs;
use crate::vfs::bytes::c_string;
use crate::vfs::detach::take_back;
use crate::vfs::identity::{MountsBefore, is_same_place};
use crate::vfs::target::{Target, open_error};
use crate::vfs::verify::moved;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A target, the path that leads to it, and the mounts there were.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    target: &'a Target,
    path: PathBuf,
    before: MountsBefore,
}

impl<'a> Place<'a> {
    /// # Errors
    /// [`ErrorKind::TargetMoved`] where its path leads elsewhere: it was removed or covered, or lies in a tree that is not
    /// attached.
    pub(crate) fn of(target: &'a Target) -> Result<Self> {
        let path = real_path(target)?;
        if path.file_name().is_none() {
            let reason = "what is mounted on the root directory is not seen";
            return Err(Error::new(ErrorKind::Unsupported, Operation::RunMountHelper, reason)
                .with_argument(target.path()));
        }
        let before = MountsBefore::now()?;
        let place = Self { target, path, before };
        if let Some(seen) = place.look()? {
            if is_same_place(seen.as_fd(), target.as_fd())? {
                return Ok(place);
            }
        }
        let reason = "no path leads to the target, and a mount helper needs one: it was moved, removed or covered, or \
                      lies in a detached tree";
        Err(moved(target.path()).with_reason(reason))
    }

    /// What the helper is to be given.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The root of the new mount on the target, if there is one.
    pub(crate) fn mounted(&self) -> Result<Option<OwnedFd>> {
        let seen = self.look()?.ok_or_else(|| moved(self.target.path()))?;
        Ok(if self.before.has_new(seen.as_fd())? { Some(seen) } else { None })
    }

    /// What is seen on the target: by its name in the directory that holds it, both before and after under the path that
    /// it had. The name of a directory with a mount on it can't change, those above it can; `None` if they have.
    fn look(&self) -> Result<Option<OwnedFd>> {
        if real_path(self.target)? != self.path {
            return Ok(None);
        }
        let Some(named) = there(Named::open(&self.path))? else { return Ok(None) };
        if !self.is_parent(&named.parent)? {
            return Ok(None);
        }
        let seen = there(named.seen())?;
        Ok(if real_path(self.target)? == self.path { seen } else { None })
    }

    fn is_parent(&self, dir: &OwnedFd) -> Result<bool> {
        // A file does not know its directory.
        if !self.target.is_dir() {
            return Ok(true);
        }
        is_same_place(open(self.target, "..")?.as_fd(), dir.as_fd())
    }

    /// Takes away what has come to be mounted at the path since, and on the target under the name that it has now. The
    /// helper's failure is the one to tell.
    pub(crate) fn take_back(&self) {
        /// Of a helper that mounts more than once.
        const MOST: usize = 8;
        let now = real_path(self.target).ok().filter(|now| *now != self.path);
        for path in [Some(&self.path), now.as_ref()].into_iter().flatten() {
            let mut rounds = 0..MOST;
            while rounds.next().is_some() && self.take_one(path).is_some() {}
        }
    }

    fn take_one(&self, path: &Path) -> Option<()> {
        let named = Named::open(path).ok()?;
        let seen = named.seen().ok()?;
        if !self.before.has_new(seen.as_fd()).ok()? {
            return None;
        }
        take_back(seen.as_fd()).ok().or_else(|| named.by_fusermount())
    }
}

/// A name in a directory.
struct Named<'a> {
    parent: OwnedFd,
    name: &'a OsStr,
}

impl<'a> Named<'a> {
    /// No symbolic link is followed: a real path has none.
    fn open(path: &'a Path) -> Result<Self> {
        let missing = || moved(path);
        let (dir, name) = path.parent().zip(path.file_name()).ok_or_else(missing)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::NO_SYMLINKS;
        let c_path = c_string(Operation::ReadTarget, dir)?;
        let parent = match rustix::fs::openat2(CWD, &*c_path, flags, Mode::empty(), resolve) {
            // Without the call, or with a filter that forbids it: a link would show in the target's real path.
            Err(Errno::NOSYS | Errno::PERM) => rustix::fs::openat(CWD, &*c_path, flags, Mode::empty()),
            other => other,
        };
        Ok(Self {
            parent: parent.map_err(|e| open_error(Operation::OpenTarget, Syscall::Openat2, dir, e))?,
            name,
        })
    }

    /// What is seen under the name: the root of the mount on it.
    fn seen(&self) -> Result<OwnedFd> {
        open(&self.parent, self.name)
    }

    /// For who may mount by `fusermount3` only.
    fn by_fusermount(&self) -> Option<()> {
        const LIMIT: Duration = Duration::from_secs(5);
        let program = ["fusermount3", "fusermount"].iter().find_map(|name| in_path(name))?;
        let mut last = OsString::from("./");
        last.push(self.name);
        let words = [program.into_os_string(), "-u".into(), "-z".into(), "--".into(), last];
        let argv = words
            .iter()
            .map(|word| c_string(Operation::ReadHelperArgument, word))
            .collect::<Result<Vec<_>>>()
            .ok()?;
        let (ended, _) = run_program(self.parent.as_fd(), &argv, LIMIT).ok()?;
        (ended == crate::sys::spawn::spawn::Ended::Exit(0)).then_some(())
    }
}

/// `None` for a name that leads nowhere, or by a symbolic link.
fn there<T>(opened: Result<T>) -> Result<Option<T>> {
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(error) if matches!(error.raw_errno(), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn open(dir: impl AsFd, name: impl AsRef<OsStr>) -> Result<OwnedFd> {
    let name = name.as_ref();
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, &*c_string(Operation::ReadTarget, name)?, flags, Mode::empty())
        .map_err(|e| open_error(Operation::OpenTarget, Syscall::Openat, Path::new(name), e))
}

fn real_path(target: &Target) -> Result<PathBuf> {
    procfs::path_for(Operation::LookAtTarget, target.as_fd())
}
