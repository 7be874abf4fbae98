// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Layers as open files: their roles, and which lies in which.

use crate::error::Error;
use crate::kinds::overlay::definition::{Layer, Overlay};
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use std::path::Path;
use std::sync::Arc;

/// What a layer is in the overlay, with its number as people count: from 1, topmost first.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role {
    Lower(usize),
    Data(usize),
    Upper,
    Work,
}

impl Role {
    pub(crate) fn is_upper(&self) -> bool {
        matches!(self, Self::Upper)
    }

    pub(crate) fn is_work(&self) -> bool {
        matches!(self, Self::Work)
    }

    pub(crate) fn words(self) -> String {
        match self {
            Self::Lower(n) => format!("layer {n}"),
            Self::Data(n) => format!("data-only layer {n}"),
            Self::Upper => String::from("upperdir"),
            Self::Work => String::from("workdir"),
        }
    }
}

/// Every layer open, with its role.
pub(crate) type OpenLayers = Vec<(Role, Opened)>;

/// The layers in the order that they are given to the kernel.
pub(crate) fn roles(overlay: &Overlay) -> impl Iterator<Item = (Role, &Layer)> {
    let lowers = overlay.lowers.iter().enumerate().map(|(i, l)| (Role::Lower(i + 1), l));
    let data = overlay.data_only.iter().enumerate().map(|(i, l)| (Role::Data(i + 1), l));
    let upper = overlay.upper.iter().map(|l| (Role::Upper, l));
    lowers.chain(data).chain(upper).chain(overlay.work.iter().map(|l| (Role::Work, l)))
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

pub(crate) fn fd_of(layers: &[(Role, Opened)], want: fn(&Role) -> bool) -> Option<BorrowedFd<'_>> {
    layers.iter().find(|(role, _)| want(role)).map(|(_, fd)| fd.as_fd())
}

pub(crate) fn with_layer(error: Error, layer: Option<&Layer>) -> Error {
    match layer {
        Some(Layer::Path(path)) => error.arg(path),
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
