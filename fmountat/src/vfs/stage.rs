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
use super::tree::{detach_fd, take_back};
use crate::error::{Error, ErrorKind, Result};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::CWD;
use rustix::mount::MountFlags;

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
            let reason = "without the new mount interface each mount is made in a directory of /proc, which is not there";
            Error::new(ErrorKind::Unsupported, STEP, reason).arg(DIRECTORIES[0]).hinted("mount proc on /proc")
        })?;
        let at = descriptor_name(under.as_fd());
        rustix::mount::mount("none", at, "tmpfs", MountFlags::empty(), Some(c"mode=0700"))
            .map_err(|errno| needs_admin(Error::sys(STEP, "mount", errno)))?;
        let root = under.seen_now()?;
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

    /// The place, or what is mounted on it.
    pub(crate) fn place(&self, is_dir: bool) -> Result<Target> {
        Target::open(&self.root, name(is_dir))
    }
}

/// In it are a directory and a file to mount on.
fn name(is_dir: bool) -> &'static str {
    if is_dir { "directory" } else { "file" }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What stays goes with the thread.
        let _ = detach_fd(self.root.as_fd());
    }
}

/// A mount that is on a stage, and taken away unless it is moved.
#[derive(Debug)]
pub(crate) struct Staged {
    root: OwnedFd,
    is_moved: bool,
}

impl Staged {
    pub(crate) fn new(root: OwnedFd) -> Self {
        Self { root, is_moved: false }
    }

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
