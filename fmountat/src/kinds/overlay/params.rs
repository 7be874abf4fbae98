// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What an overlay is made with, and how one layer is given to the kernel.

use crate::error::{LayerRef, Operation, Result};
use crate::kinds::clones::Clones;
use crate::strategy::{GiveLayers, Strategies};
use crate::sys::procfs;
use crate::trace;
use crate::vfs::attr::MountAttr;
use crate::vfs::context::FsContext;
use crate::vfs::features::Features;
use crate::vfs::tree::Tree;
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use std::ffi::OsStr;

/// What a detached overlay is made with, besides its own words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Make<'a> {
    /// Where relative layers start.
    pub(crate) dir: BorrowedFd<'a>,
    pub(crate) clones: &'a Clones,
    pub(crate) features: &'a Features,
    /// What the mount table shows as its source.
    pub(crate) source: Option<&'a OsStr>,
    /// The superblock's (`ro`, ...).
    pub(crate) flags: &'a [&'static str],
    pub(crate) attr: &'a MountAttr,
    /// The lower layers' owners are mapped as this user namespace maps them.
    pub(crate) userns: Option<BorrowedFd<'a>>,
    pub(crate) run: Run,
}

/// Whether the overlay is made, or only the error that making it would end in is wanted. What is done for both is the same
/// code, which asks for this where making would change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run {
    Execute,
    Predict(Prediction),
}

/// What a prediction is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prediction {
    /// The lower layers' owners would be mapped; no user namespace is made for that.
    pub(crate) is_mapped: bool,
    /// The caller may mount.
    pub(crate) may_mount: bool,
    /// The kernel has overlayfs. Else to ask it would load the module.
    pub(crate) is_loaded: bool,
}

impl Make<'_> {
    pub(crate) fn is_mapped(&self) -> bool {
        match self.run {
            Run::Execute => self.userns.is_some(),
            Run::Predict(prediction) => prediction.is_mapped,
        }
    }
}

/// The option that takes it.
pub(crate) fn layer_key(role: LayerRef) -> &'static str {
    match role {
        LayerRef::Lower(_) => "lowerdir+",
        LayerRef::Data(_) => "datadir+",
        LayerRef::Upper => "upperdir",
        LayerRef::Work => "workdir",
    }
}

/// Gives the kernel one layer. A tree that comes back must live until the file system is created.
pub(crate) fn set_layer(
    context: &mut FsContext,
    role: LayerRef,
    layer: BorrowedFd<'_>,
    make: &Make<'_>,
) -> Result<Option<Tree>> {
    let key = layer_key(role);
    match set_layer_as(context, key, layer, make.features) {
        Err(error) if error.raw_errno() == Some(Errno::NAMETOOLONG) => {
            if make.run != Run::Execute {
                return Ok(None);
            }
            let strategy = make.features.best().unwrap_or(GiveLayers::Names);
            trace::fallback(GiveLayers::OPERATION, strategy.words(), error.raw_errno());
            // The kernel writes the layer's path down, in a page: the root of a clone of its own has the path `/`.
            let clone = Tree::clone_of(layer, "", false)?;
            set_layer_as(context, key, clone.root(), make.features)?;
            Ok(Some(clone))
        }
        other => other.map(|()| None),
    }
}

/// A layer under the option `key`: as a descriptor, or by its name in /proc for kernels that take none.
pub(crate) fn set_layer_as(
    context: &mut FsContext,
    key: &str,
    layer: BorrowedFd<'_>,
    features: &Features,
) -> Result<()> {
    match features.best() {
        Some(GiveLayers::Descriptors) => context.set_fd(key, layer),
        _ => context.set_string(key, procfs::name_for(Operation::OpenLayer, layer)?),
    }
}
