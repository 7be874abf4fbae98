// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Overlay`: an overlay described by its layers and options.

use crate::kinds::filesystem::Word;
use rustix::fd::OwnedFd;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// The most lower layers (data-only ones included) that the kernel takes: `OVL_MAX_STACK`, fs/overlayfs/params.h.
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

/// An overlay, described: lowers (topmost first, as in `lowerdir=`), upper, work, data-only layers, words.
///
/// ```no_run
/// use fmountat::overlay::Overlay;
/// use fmountat::{MountAttr, Mounter, Target};
/// let snapshots = std::fs::File::open("/var/lib/snapshots")?;
/// let overlay = Overlay::new().lower("2/fs").lower("1/fs").upper("3/fs", "3/work").word("index", "off");
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
    pub(crate) words: Vec<Word>,
}

impl Overlay {
    /// An overlay without layers.
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

    /// A word of the file system: `index`, `xino`, `metacopy`, `redirect_dir`, `nfs_export`, `uuid`, `verity`, ...
    #[must_use]
    pub fn word(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.words.push(Word { key: key.into(), value: Some(value.into()) });
        self
    }

    /// A word without a value: `userxattr`, `volatile`.
    #[must_use]
    pub fn flag(mut self, key: impl Into<OsString>) -> Self {
        self.words.push(Word { key: key.into(), value: None });
        self
    }

    /// Whether changes have somewhere to go.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.upper.is_some()
    }

    /// Whether `index=on` is asked for; the last word wins.
    pub(crate) fn has_index_on(&self) -> bool {
        let last = self.words.iter().rev().find(|word| word.key == *"index");
        last.is_some_and(|word| word.value.as_deref().is_some_and(|value| value == "on"))
    }

    pub(crate) fn has_word(&self, key: &str) -> bool {
        self.words.iter().any(|word| word.key == *key)
    }
}
