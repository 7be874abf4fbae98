// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A stage: where a mount is made by mount(2) and finished before it is moved to its place, where it comes with its attributes,
//! in one step, and can't be taken for another's.
//!
//! mount(2) can mount on what is seen only. A place that has no peers and that nobody else mounts on is a directory of the
//! calling thread in /proc: with the thread that goes away, however it ends, and the kernel takes away what is mounted there
//! (`d_invalidate`, fs/dcache.c).

use super::attr::Propagation;
use super::attr_old::propagate;
use super::bytes::descriptor_name;
use super::hidden::{STEP, make_place};
use super::identity::{MountId, is_mount_root};
use super::privilege::needs_admin;
use super::target::Target;
use super::tree::take_back;
use crate::error::{Error, ErrorKind, Result};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{MountFlags, UnmountFlags};
use std::path::Path;

/// What they show is of no use for mounting.
const DIRECTORIES: [&str; 2] = ["/proc/thread-self/net", "/proc/thread-self/attr"];

/// A private tmpfs with a place in it, taken away when it is dropped.
#[derive(Debug)]
pub(crate) struct Stage {
    root: OwnedFd,
}

impl Stage {
    /// mount(2) of a tmpfs, made private.
    pub(crate) fn new() -> Result<Self> {
        let under = DIRECTORIES.iter().find_map(|path| Target::open(CWD, path).ok());
        let under = under.ok_or_else(|| {
            let reason = "what mount(2) makes is made in a directory of /proc, which is not there";
            Error::new(ErrorKind::Unsupported, STEP, reason).arg(DIRECTORIES[0]).hinted("mount proc on /proc")
        })?;
        let at = descriptor_name(under.as_fd());
        rustix::mount::mount("none", at, "tmpfs", MountFlags::empty(), Some(c"mode=0700"))
            .map_err(|errno| needs_admin(Error::sys(STEP, "mount", errno)))?;
        let root = under.seen_now().inspect_err(|_| {
            // Without a descriptor for it: by its name, which is this thread's alone.
            let _ = rustix::mount::unmount(under.path(), UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
        })?;
        if !is_mount_root(root.as_fd())? || MountId::of(root.as_fd())? == MountId::of(under.as_fd())? {
            return Err(Error::new(ErrorKind::TargetMoved, STEP, "it is not seen there").arg(under.path()));
        }
        let stage = Self { root };
        propagate(stage.root.as_fd(), Some(Propagation::Private), false)?;
        for is_dir in [true, false] {
            make_place(stage.root.as_fd(), name(is_dir), is_dir)?;
        }
        Ok(stage)
    }

    /// Has `mount` mount on a place of it, a directory or a file, and gives what is mounted there then.
    pub(crate) fn mount(&self, is_dir: bool, mount: impl FnOnce(&Path) -> Result<()>) -> Result<Staged> {
        let place = self.place(is_dir)?;
        mount(&descriptor_name(place.as_fd()))?;
        Ok(Staged { root: self.place(is_dir)?.into_fd(), is_moved: false })
    }

    /// A new directory on it.
    pub(crate) fn directory(&self, name: &str) -> Result<OwnedFd> {
        make_place(self.root.as_fd(), name, true)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(&self.root, name, flags, Mode::empty()).map_err(|e| Error::sys(STEP, "openat", e))
    }

    /// The place, or what is mounted on it.
    fn place(&self, is_dir: bool) -> Result<Target> {
        Target::open(&self.root, name(is_dir))
    }
}

/// In it are a directory and a file to mount on.
fn name(is_dir: bool) -> &'static str {
    if is_dir { "directory" } else { "file" }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // With what a failure left on it, which may be its source's peer. What stays goes with the thread.
        let _ = take_back(self.root.as_fd());
    }
}

/// A mount that is on a stage, and taken away unless it is moved.
#[derive(Debug)]
pub(crate) struct Staged {
    root: OwnedFd,
    is_moved: bool,
}

impl Staged {
    /// Its root.
    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// `MS_MOVE` onto the place.
    pub(crate) fn move_to(&mut self, place: BorrowedFd<'_>) -> Result<()> {
        rustix::mount::mount_move(descriptor_name(self.root()), descriptor_name(place))
            .map_err(|errno| needs_admin(Error::sys("attach", "mount", errno)))?;
        self.is_moved = true;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.is_moved {
            // A bind may still be its source's peer: made private first, it does not take along what is mounted there.
            let _ = take_back(self.root());
        }
    }
}
