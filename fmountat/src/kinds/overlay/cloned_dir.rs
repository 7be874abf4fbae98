// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The common directory of an overlay's layers, and its cached clone without child mounts.

use crate::error::Result;
use crate::kinds::clones::{Clones, Origin, State};
use crate::kinds::overlay::common::open_directory;
use crate::mountinfo::id::STATX_MNT_ID_UNIQUE;
use crate::vfs::attr::{Attr, MountAttr, Propagation};
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, StatxFlags};
use std::path::Path;
use std::sync::Arc;

/// With fewer child mounts of the directory's mount the kernel's walk is cheaper than checking each
/// layer: 30 ns for each mount and layer, against 0.8 us for each statx(2).
const CHILD_MOUNTS: usize = 32;

/// A directory on the host and its clone.
#[derive(Debug)]
pub(crate) struct ClonedDir {
    original: OwnedFd,
    mount: u64,
    clone: Arc<Tree>,
}

/// The working directory for mount(2), from which it reaches the layers below.
#[derive(Debug)]
pub(crate) enum Cwd {
    /// The directory itself, since its mount has few child mounts.
    Host(OwnedFd),
    Clone(ClonedDir),
}

impl Cwd {
    /// Opens the cheaper directory. Before 6.15 a layer must not be in a detached clone.
    pub(crate) fn of(clones: &Clones, dir: BorrowedFd<'_>, path: &Path, can_clone: bool) -> Option<Self> {
        let original = open_base(dir, path)?;
        if can_clone {
            let (origin, state) = origin_of(original.as_fd())?;
            if clones.has_child_mounts(origin, CHILD_MOUNTS) {
                return ClonedDir::cached(clones, original, origin, state).map(Self::Clone);
            }
        }
        Some(Self::Host(original))
    }

    pub(crate) fn strategy(&self) -> &'static str {
        match self {
            Self::Host(_) => "mount(2) from the layers' directory",
            Self::Clone(_) => "mount(2) from a detached clone of the layers' directory",
        }
    }
}

impl AsFd for Cwd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Host(fd) => fd.as_fd(),
            Self::Clone(dir) => dir.root(),
        }
    }
}

impl ClonedDir {
    /// Clones the directory `path`, relative to `dir`. Returns `None` if the kernel refuses, as it
    /// does in a user namespace for a directory with locked mounts below.
    pub(crate) fn of(clones: &Clones, dir: BorrowedFd<'_>, path: &Path) -> Option<Self> {
        let original = open_base(dir, path)?;
        let (origin, state) = origin_of(original.as_fd())?;
        Self::cached(clones, original, origin, state)
    }

    /// Clones the directory with its owners mapped by `userns`. Does not cache the clone.
    pub(crate) fn idmapped(dir: BorrowedFd<'_>, path: &Path, userns: BorrowedFd<'_>) -> Option<Self> {
        let original = open_base(dir, path)?;
        let mount = origin_of(original.as_fd())?.0.mount;
        let clone = Tree::clone_idmapped(&original, "", false, userns).ok()?;
        forbid_links(&clone).ok()?;
        Some(Self { original, mount, clone: Arc::new(clone) })
    }

    fn cached(clones: &Clones, original: OwnedFd, origin: Origin, state: State) -> Option<Self> {
        let clone = clones.get(origin, state, || {
            let clone = Tree::clone_of(&original, "", false).ok()?;
            forbid_links(&clone).ok()?;
            Some(clone)
        })?;
        Some(Self { original, mount: origin.mount, clone })
    }

    /// Reports whether `path` refers to the same file in the clone as on the host, if it exists in
    /// the clone: no mount point is on the path, and the clone does not follow symbolic links.
    pub(crate) fn has(&self, path: &Path) -> bool {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        let mask = STATX_MNT_ID_UNIQUE | StatxFlags::MNT_ID;
        rustix::fs::statx(&self.original, path, flags, mask).is_ok_and(|stat| stat.stx_mnt_id == self.mount)
    }

    /// Opens `path` in the clone, if it refers to the same file on the host.
    pub(crate) fn open(&self, path: &Path) -> Option<OwnedFd> {
        self.has(path).then(|| open_directory(self.root(), path).ok()).flatten()
    }

    /// Returns the root of the clone.
    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.clone.root()
    }
}

fn open_base(dir: BorrowedFd<'_>, path: &Path) -> Option<OwnedFd> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    open_directory(dir, path).ok()
}

/// Makes the clone private and forbids symbolic links in it. A link that ascends with `..` would
/// stop at the root of the clone, unlike on the host. New mounts in its peers must not appear in
/// it.
fn forbid_links(clone: &Tree) -> Result<()> {
    let propagation = Some(Propagation::Private);
    clone.set_attr(&MountAttr { set: Attr::NOSYMFOLLOW, propagation, ..MountAttr::default() }, false)
}

fn origin_of(dir: BorrowedFd<'_>) -> Option<(Origin, State)> {
    let mask = StatxFlags::INO | STATX_MNT_ID_UNIQUE | StatxFlags::MNT_ID;
    let stat = rustix::fs::statx(dir, "", AtFlags::EMPTY_PATH, mask).ok()?;
    let flags = rustix::fs::fstatvfs(dir).ok()?.f_flag.bits();
    let directory = Some(((stat.stx_dev_major, stat.stx_dev_minor), stat.stx_ino));
    Some((Origin { mount: stat.stx_mnt_id, directory }, (flags, 0)))
}
