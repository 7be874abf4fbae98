// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Overlay`: an overlay as data, its layers and options.

use crate::error::{Error, LayerRef};
use crate::kinds::filesystem::FsOption;
use rustix::fd::OwnedFd;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;

/// The most lower and data-only layers: `OVL_MAX_STACK`, fs/overlayfs/params.h.
pub const OVERLAY_LAYERS_MAX: usize = 500;

/// An overlay layer: a directory by path or by descriptor.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Layer {
    /// A path; a relative one starts at the directory that the mount starts at. Any bytes but NUL.
    Path(PathBuf),
    /// An open directory (`O_PATH` will do).
    Fd(Arc<OwnedFd>),
}

impl<P: Into<PathBuf>> From<P> for Layer {
    fn from(path: P) -> Self {
        Self::Path(path.into())
    }
}

/// An overlay: lowers (topmost first, as in `lowerdir=`), upper, work, data-only layers, options.
///
/// ```no_run
/// use fmountat::overlay::Overlay;
/// use fmountat::{MountAttr, Mounter, Target};
/// let snapshots = std::fs::File::open("/var/lib/snapshots")?;
/// let overlay = Overlay::new().lower("2/fs").lower("1/fs").upper("3/fs", "3/work").option("index", "off");
/// let tree = Mounter::detached().overlay_tree(&snapshots, &overlay, &MountAttr::default())?;
/// tree.attach(&Target::open(&snapshots, "3/merged")?)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Overlay {
    pub(crate) lowers: Vec<Layer>,
    pub(crate) data_only: Vec<Layer>,
    pub(crate) upper: Option<Layer>,
    pub(crate) work: Option<Layer>,
    pub(crate) options: Vec<FsOption>,
}

impl Overlay {
    /// Returns an overlay without layers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a lower layer below those already there.
    #[must_use]
    pub fn lower(mut self, layer: impl Into<Layer>) -> Self {
        self.lowers.push(layer.into());
        self
    }

    /// Adds a data-only layer \[Linux 6.6\]: files that `metacopy` entries of the lowers refer to.
    #[must_use]
    pub fn data_only(mut self, layer: impl Into<Layer>) -> Self {
        self.data_only.push(layer.into());
        self
    }

    /// Makes it writable: changes go to `upper`; `work` is an empty directory on the same mount.
    #[must_use]
    pub fn upper(mut self, upper: impl Into<Layer>, work: impl Into<Layer>) -> Self {
        self.upper = Some(upper.into());
        self.work = Some(work.into());
        self
    }

    /// Adds an option of the file system with a value: `index`, `xino`, `metacopy`, `redirect_dir`,
    /// `nfs_export`, `uuid`, `verity`, ...
    #[must_use]
    pub fn option(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.options.push(FsOption { key: key.into(), value: Some(value.into()) });
        self
    }

    /// Adds an option without a value: `userxattr`, `volatile`.
    #[must_use]
    pub fn flag(mut self, key: impl Into<OsString>) -> Self {
        self.options.push(FsOption { key: key.into(), value: None });
        self
    }

    /// Returns whether it has an upper.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.upper.is_some()
    }

    /// Returns the layers with their roles, in the order that the kernel takes them.
    pub(crate) fn layers(&self) -> impl Iterator<Item = (LayerRef, &Layer)> {
        let lowers = self.lowers.iter().enumerate().map(|(at, layer)| (LayerRef::Lower(at + 1), layer));
        let data = self.data_only.iter().enumerate().map(|(at, layer)| (LayerRef::Data(at + 1), layer));
        let upper = self.upper.iter().map(|layer| (LayerRef::Upper, layer));
        lowers.chain(data).chain(upper).chain(self.work.iter().map(|layer| (LayerRef::Work, layer)))
    }

    /// Returns the value of an option; the last one wins.
    pub(crate) fn value_of(&self, key: &str) -> Option<&OsStr> {
        self.options.iter().rev().find(|option| option.key == *key)?.value.as_deref()
    }

    pub(crate) fn has_option(&self, key: &str) -> bool {
        self.options.iter().any(|option| option.key == *key)
    }

    /// Names the layer in the error, with its path unless it was given as a descriptor.
    pub(crate) fn name_layer(&self, error: Error, role: LayerRef) -> Error {
        let error = error.with_layer(role);
        match self.layers().find(|(other, _)| *other == role) {
            Some((_, Layer::Path(path))) => error.with_argument(path),
            _ => error,
        }
    }
}
