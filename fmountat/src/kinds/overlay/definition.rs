// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Overlay`: the layers and options of an overlay, as data.

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
    /// A path of any bytes but NUL. A relative one is resolved from the directory of the mount
    /// call.
    Path(PathBuf),
    /// An open directory; `O_PATH` suffices.
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
/// let layers = Overlay::new().lower("2/fs").lower("1/fs");
/// let overlay = layers.upper("3/fs", "3/work").option("index", "off");
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
    /// Makes an overlay without layers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a lower layer below the existing ones.
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

    /// Makes the overlay writable: changes are written to `upper`; `work` is an empty directory on
    /// the same mount.
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

    /// Reports whether it has an upper.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.upper.is_some()
    }

    /// Returns the layers with their roles, in the order of the kernel's parameters.
    pub(crate) fn layers(&self) -> impl Iterator<Item = (LayerRef, &Layer)> {
        let lowers = self.lowers.iter().enumerate().map(|(at, layer)| (LayerRef::Lower(at + 1), layer));
        let data = self.data_only.iter().enumerate().map(|(at, layer)| (LayerRef::Data(at + 1), layer));
        let upper = self.upper.iter().map(|layer| (LayerRef::Upper, layer));
        lowers.chain(data).chain(upper).chain(self.work.iter().map(|layer| (LayerRef::Work, layer)))
    }

    /// Returns the value of an option; the last occurrence wins.
    pub(crate) fn value_of(&self, key: &str) -> Option<&OsStr> {
        self.options.iter().rev().find(|option| option.key == *key)?.value.as_deref()
    }

    pub(crate) fn has_option(&self, key: &str) -> bool {
        self.options.iter().any(|option| option.key == *key)
    }

    /// Adds the layer to the error, and its path unless it is a descriptor.
    pub(crate) fn name_layer(&self, error: Error, role: LayerRef) -> Error {
        let error = error.with_layer(role);
        match self.layers().find(|(other, _)| *other == role) {
            Some((_, Layer::Path(path))) => error.with_argument(path),
            _ => error,
        }
    }
}
