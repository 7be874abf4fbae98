// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A place to mount on that is in nobody's way: in a mount namespace of our own, where no path of a caller's leads, and
//! no recursive bind copies it.
//!
//! Over `/` it would be in the way: a path that goes up beyond the root (`../../../srv`) is led onto what covers it, and in a
//! namespace with a covered root the kernel makes no user namespace (`current_chrooted()`).

use super::attr::{MountAttr, Propagation};
use super::attr_old::propagate;
use super::context::FsContext;
use super::identity::mountinfo_id;
use super::target::{Target, is_dir};
use super::tree::{Tree, detach_fd};
use crate::error::{Error, ErrorKind, Result};
use crate::table::mountinfo;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

const NAME: &str = "place";
const STEP: &str = "make a place to mount on";

/// Every proc has these, and nobody looks for files to mount there. Without proc it is `/` after all.
const DIRECTORIES: [&str; 4] = ["/proc/driver", "/proc/bus", "/proc/fs", "/"];

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
        let parent = tree.attach(&directory()?)?.into_fd();
        // What is mounted in it can be copied, and is skipped with it where all below `/` is.
        propagate(parent.as_fd(), Some(Propagation::Unbindable), false)?;
        let place = open(parent.as_fd()).map_err(|e| Error::sys(STEP, "openat", e))?;
        Ok(Self { parent, place })
    }

    /// The tree that `root` is the root of, in such a place.
    pub(crate) fn with(root: BorrowedFd<'_>) -> Result<Self> {
        let hidden = Self::new(is_dir(root)?)?;
        Tree::attach_by(root, &hidden.target()?)?;
        Ok(hidden)
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

/// What is hidden in the namespace of the whole process: dropping it takes it away.
#[derive(Debug)]
pub(crate) struct Hidden {
    mount: Option<OwnedFd>,
}

impl Hidden {
    /// The tree that `root` is the root of, hidden in the process's namespace, which must not be one that others see.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where what is mounted would spread to other namespaces.
    pub(crate) fn new(root: BorrowedFd<'_>) -> Result<Self> {
        let below = mountinfo_id(directory()?.as_fd())?;
        if mountinfo::read()?.iter().any(|entry| entry.id == below && entry.shared.is_some()) {
            let reason = "the mount namespace of this process is shared with others, who would see each step";
            return Err(Error::new(ErrorKind::Unsupported, "build in the namespace of one's own", reason)
                .hinted("go into a private one before: `unshare_mount_and_pid`, or `unshare --mount`"));
        }
        Ok(Self { mount: Some(HiddenPlace::with(root)?.parent) })
    }

    /// It has gone with the old root: its name may be another's now.
    pub(crate) fn has_gone(mut self) {
        self.mount = None;
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // Nobody can be told; what stays goes with the namespace.
        let _ = self.mount.take().map(|mount| detach_fd(mount.as_fd()));
    }
}

fn directory() -> Result<Target> {
    let mut last = Target::open(CWD, "/");
    for path in DIRECTORIES {
        last = Target::open(CWD, path);
        if last.as_ref().is_ok_and(Target::is_dir) {
            break;
        }
    }
    last
}

fn open(parent: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(parent, NAME, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
}
