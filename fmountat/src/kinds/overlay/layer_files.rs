// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Layers as open files: their roles, and which lies in which.

use crate::error::{Error, LayerRef};
use crate::kinds::overlay::definition::{Layer, Overlay};
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use std::path::Path;
use std::sync::Arc;

/// Every layer open, with its role.
pub(crate) type OpenLayers = Vec<(LayerRef, Opened)>;

/// The layers in the order that they are given to the kernel.
pub(crate) fn roles(overlay: &Overlay) -> impl Iterator<Item = (LayerRef, &Layer)> {
    let lowers = overlay.lowers.iter().enumerate().map(|(i, l)| (LayerRef::Lower(i + 1), l));
    let data = overlay.data_only.iter().enumerate().map(|(i, l)| (LayerRef::Data(i + 1), l));
    let upper = overlay.upper.iter().map(|l| (LayerRef::Upper, l));
    lowers.chain(data).chain(upper).chain(overlay.work.iter().map(|l| (LayerRef::Work, l)))
}

/// A layer's descriptor: the caller's or ours.
#[derive(Debug)]
pub(crate) enum Opened {
    Given(Arc<OwnedFd>),
    Ours(OwnedFd),
    Mapped(Tree),
}

impl AsFd for Opened {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Given(fd) => fd.as_fd(),
            Self::Ours(fd) => fd.as_fd(),
            Self::Mapped(tree) => tree.root(),
        }
    }
}

/// A directory that an overlay writes to: `path` below `dir`. It is opened only as far as a check needs it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written<'a> {
    pub(crate) dir: BorrowedFd<'a>,
    pub(crate) path: &'a Path,
}

impl Written<'_> {
    pub(crate) fn open(&self, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        rustix::fs::openat(self.dir, self.path, flags | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
    }
}

/// A layer as far as it can be opened; a relative one starts at `dir`.
pub(crate) fn open_layer(layer: &Layer, dir: BorrowedFd<'_>) -> Option<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match layer {
        Layer::Path(path) => rustix::fs::openat(dir, path, flags, Mode::empty()).ok(),
        Layer::Fd(fd) => rustix::fs::openat(fd, c".", flags, Mode::empty()).ok(),
    }
}

pub(crate) fn fd_of(layers: &[(LayerRef, Opened)], want: fn(&LayerRef) -> bool) -> Option<BorrowedFd<'_>> {
    layers.iter().find(|(role, _)| want(role)).map(|(_, fd)| fd.as_fd())
}

pub(crate) fn with_layer(error: Error, layer: Option<&Layer>) -> Error {
    match layer {
        Some(Layer::Path(path)) => error.with_argument(path),
        _ => error,
    }
}

/// Device and inode number.
pub(crate) type File = (u64, u64);

pub(crate) fn file(fd: BorrowedFd<'_>) -> Option<File> {
    rustix::fs::fstat(fd).ok().map(|stat| (stat.st_dev, stat.st_ino))
}

pub(crate) fn same(a: BorrowedFd<'_>, b: BorrowedFd<'_>) -> bool {
    file(a).is_some_and(|a| Some(a) == file(b))
}

/// Whether `inner` is somewhere below `outer`.
pub(crate) fn lies_in(inner: BorrowedFd<'_>, outer: BorrowedFd<'_>) -> bool {
    file(outer).is_some_and(|outer| above(inner).any(|above| above == outer))
}

/// The directories above, by walking up to the root.
pub(crate) fn above(fd: BorrowedFd<'_>) -> impl Iterator<Item = File> {
    let up = |fd: BorrowedFd<'_>| -> Option<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(fd, c"..", flags, Mode::empty()).ok()
    };
    let (mut at, mut below) = (up(fd), file(fd));
    let walk = std::iter::from_fn(move || {
        let here = at.take()?;
        let found = file(here.as_fd()).filter(|found| Some(*found) != below)?;
        (at, below) = (up(here.as_fd()), Some(found));
        Some(found)
    });
    // Others may move what is above meanwhile, again and again.
    walk.take(libc::PATH_MAX.unsigned_abs() as usize)
}
