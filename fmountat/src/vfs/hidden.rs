// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A place to mount on that no path leads to: in a tmpfs over the `/` of a thread with a mount namespace of its own, which
//! that thread does not see itself.

use super::attr::MountAttr;
use super::context::FsContext;
use super::target::Target;
use crate::error::{Error, Result};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

const NAME: &str = "place";
const STEP: &str = "make a place to mount on";

/// Such a place; it goes with the namespace.
#[derive(Debug)]
pub(crate) struct HiddenPlace {
    parent: OwnedFd,
    place: OwnedFd,
}

impl HiddenPlace {
    /// A directory, or a file.
    pub(crate) fn new(is_dir: bool) -> Result<Self> {
        let tree = FsContext::open("tmpfs")?.create()?.mount(&MountAttr::default())?;
        match is_dir {
            true => rustix::fs::mkdirat(tree.root(), NAME, Mode::RWXU)
                .map_err(|e| Error::sys(STEP, "mkdirat", e))?,
            false => {
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
                rustix::fs::openat(tree.root(), NAME, flags, Mode::RUSR)
                    .map_err(|e| Error::sys(STEP, "openat", e))?;
            }
        }
        let parent = tree.attach(&Target::open(CWD, "/")?)?.into_fd();
        let place = open(parent.as_fd()).map_err(|e| Error::sys(STEP, "openat", e))?;
        Ok(Self { parent, place })
    }

    /// The place, for move_mount(2).
    pub(crate) fn target(&self) -> Result<Target> {
        Target::open(&self.parent, NAME)
    }

    /// Its name for mount(2).
    pub(crate) fn name(&self) -> String {
        format!("/proc/self/fd/{}", self.place.as_raw_fd())
    }

    /// What is mounted on it now.
    pub(crate) fn mounted(&self) -> Result<OwnedFd> {
        open(self.parent.as_fd()).map_err(|e| Error::sys("look at the mount", "openat", e))
    }
}

fn open(parent: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(parent, NAME, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
}
