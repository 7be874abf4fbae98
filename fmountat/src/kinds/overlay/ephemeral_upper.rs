// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A tmpfs that upper and work directories are made in: detached, or hidden in a namespace of our own; it goes with the last
//! overlay.

use crate::error::{Error, Operation, Result, Syscall};
use crate::kinds::filesystem::{Word, filesystem};
use crate::kinds::overlay::definition::{Layer, Overlay};
use crate::vfs::attr::MountAttr;
use crate::vfs::features::Features;
use crate::vfs::target::Target;
use crate::vfs::tree::Tree;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Where the writes of throw-away overlays, and of questions to the kernel, go.
#[derive(Debug)]
pub(crate) struct Store {
    tree: Tree,
    given: AtomicUsize,
}

impl Store {
    pub(crate) fn new() -> Result<Self> {
        let mode = Word { key: "mode".into(), value: Some("0755".into()) };
        let name = OsStr::new("tmpfs");
        let tree = filesystem(name, name, &[], &[mode], &MountAttr::default())?;
        Ok(Self { tree, given: AtomicUsize::new(0) })
    }

    /// The root of the tmpfs. Where the kernel takes no layer of a detached tree it has to be mounted, hidden.
    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.tree.root()
    }

    /// Whether overlays were given an upper of it that can't hold the marks of removed directories: in a user namespace those
    /// are user attributes.
    pub(crate) fn lacks_marks(&self, features: &Features) -> bool {
        let is_used = self.given.load(Ordering::Relaxed) > 0;
        is_used && !features.initial_user_namespace && !features.tmpfs_user_attributes
    }

    /// Makes the directory to mount the root on: there is one root in a store.
    pub(crate) fn make_place_of_root(&self) -> Result<Target> {
        self.directory("root")?;
        Target::open(self.tree.root(), "root")
    }

    /// The overlay, with a new upper and work directory of this store. The upper has the mode and, where ids are mapped,
    /// the owner of the topmost lower, which the root of the overlay then shows.
    pub(crate) fn give_upper(&self, overlay: Overlay, dir: BorrowedFd<'_>) -> Result<Overlay> {
        let number = self.given.fetch_add(1, Ordering::Relaxed);
        let upper = self.directory(&format!("upper{number}"))?;
        let work = self.directory(&format!("work{number}"))?;
        if let Some(Layer::Path(lower)) = overlay.lowers.first() {
            self.make_like(&format!("upper{number}"), dir, lower)?;
        }
        Ok(overlay.upper(Layer::Fd(Arc::new(upper)), Layer::Fd(Arc::new(work))))
    }

    fn make_like(&self, name: &str, dir: BorrowedFd<'_>, lower: &Path) -> Result<()> {
        // A layer that isn't there is for the overlay to report.
        let Ok(stat) = rustix::fs::statat(dir, lower, AtFlags::empty()) else {
            return Ok(());
        };
        let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        // In a user namespace an owner who is not mapped can't be given anything.
        let _ = rustix::fs::chownat(self.tree.root(), name, Some(uid), Some(gid), AtFlags::empty());
        let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
        rustix::fs::chmodat(self.tree.root(), name, mode, AtFlags::empty()).map_err(|e| {
            Error::sys(Operation::SetModeUpperDirectory, Syscall::Fchmodat, e).with_argument(name)
        })
    }

    fn directory(&self, name: &str) -> Result<OwnedFd> {
        rustix::fs::mkdirat(self.tree.root(), name, Mode::from_raw_mode(0o755)).map_err(|e| {
            Error::sys(Operation::MakeUpperDirectory, Syscall::Mkdirat, e).with_argument(name)
        })?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(self.tree.root(), name, flags, Mode::empty())
            .map_err(|e| Error::sys(Operation::OpenUpperDirectory, Syscall::Openat, e).with_argument(name))
    }
}
