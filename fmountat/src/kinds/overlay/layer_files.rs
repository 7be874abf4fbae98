// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Opens layers, and finds layers inside others.

use crate::error::{Error, LayerRef, Operation, Result, Syscall};
use crate::kinds::overlay::common::open_directory;
use crate::kinds::overlay::definition::Layer;
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

/// Every open layer with its role, in the order of [`Overlay::layers`](crate::overlay::Overlay).
pub(crate) type OpenLayers = Vec<(LayerRef, Opened)>;

/// A layer's descriptor.
#[derive(Debug)]
pub(crate) enum Opened {
    Fd(Arc<OwnedFd>),
    /// An id-mapped clone.
    Mapped(Tree),
    /// Opened by its host path in a view of the private mount namespace.
    InView {
        fd: OwnedFd,
        path: PathBuf,
    },
}

impl Opened {
    /// Returns the layer again, mapped by `userns`.
    pub(crate) fn again(&self, userns: Option<BorrowedFd<'_>>) -> Result<Self> {
        if let Some(userns) = userns {
            return Tree::clone_idmapped(self.as_fd(), "", false, userns).map(Self::Mapped);
        }
        let copy = rustix::io::fcntl_dupfd_cloexec(self.as_fd(), 0);
        let copy = copy.map_err(|e| Error::sys(Operation::OpenLayer, Syscall::Fcntl, e))?;
        Ok(Self::Fd(Arc::new(copy)))
    }
}

impl AsFd for Opened {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Fd(fd) => fd.as_fd(),
            Self::Mapped(tree) => tree.root(),
            Self::InView { fd, .. } => fd.as_fd(),
        }
    }
}

/// Opens a layer with `O_PATH`; a relative path is resolved from `dir`. Returns `None` on failure.
pub(crate) fn open_layer(layer: &Layer, dir: BorrowedFd<'_>) -> Option<OwnedFd> {
    match layer {
        Layer::Path(path) => open_directory(dir, path).ok(),
        Layer::Fd(fd) => open_directory(fd, c".").ok(),
    }
}

pub(crate) fn fd_of(layers: &[(LayerRef, Opened)], wanted: LayerRef) -> Option<BorrowedFd<'_>> {
    layers.iter().find(|(role, _)| *role == wanted).map(|(_, fd)| fd.as_fd())
}

/// The device and inode number.
pub(crate) type FileId = (u64, u64);

pub(crate) fn file_id(fd: BorrowedFd<'_>) -> Option<FileId> {
    rustix::fs::fstat(fd).ok().map(|stat| (stat.st_dev, stat.st_ino))
}

/// Reports whether `inner` is below `outer`.
pub(crate) fn lies_in(inner: BorrowedFd<'_>, outer: BorrowedFd<'_>) -> bool {
    file_id(outer).is_some_and(|outer| above(inner).any(|above| above == outer))
}

/// Returns the ancestors of a directory, up to the root.
pub(crate) fn above(fd: BorrowedFd<'_>) -> impl Iterator<Item = FileId> {
    let up = |fd: BorrowedFd<'_>| open_directory(fd, c"..").ok();
    let (mut at, mut below) = (up(fd), file_id(fd));
    let walk = std::iter::from_fn(move || {
        let here = at.take()?;
        let found = file_id(here.as_fd()).filter(|found| Some(*found) != below)?;
        (at, below) = (up(here.as_fd()), Some(found));
        Some(found)
    });
    // Limits the walk: others may keep moving the directories above.
    walk.take(libc::PATH_MAX.unsigned_abs() as usize)
}
