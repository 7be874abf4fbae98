// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What an overlay is made with, and how one layer is passed to the kernel.

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

/// What a detached overlay is made with, besides its layers and own options.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Make<'a> {
    /// Where relative layers start.
    pub(crate) dir: BorrowedFd<'a>,
    pub(crate) clones: &'a Clones,
    pub(crate) features: &'a Features,
    /// The source that the mount table shows.
    pub(crate) source: Option<&'a OsStr>,
    /// The superblock's flags (`ro`, ...).
    pub(crate) flags: &'a [&'static str],
    pub(crate) attr: &'a MountAttr,
    /// The user namespace that maps the owners of the lower layers.
    pub(crate) userns: Option<BorrowedFd<'a>>,
    /// Only the error of making the overlay is wanted; nothing is changed.
    pub(crate) is_prediction: bool,
}

/// What a prediction is made for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prediction {
    /// The owners of the lower layers would be mapped; no user namespace is made for that.
    pub(crate) is_mapped: bool,
    /// The caller may mount.
    pub(crate) may_mount: bool,
    /// The kernel has overlayfs. Else asking it would load the module.
    pub(crate) is_loaded: bool,
}

/// Sets one layer. A tree that is returned must live until the file system is created.
pub(crate) fn set_layer(
    context: &mut FsContext,
    role: LayerRef,
    layer: BorrowedFd<'_>,
    make: &Make<'_>,
) -> Result<Option<Tree>> {
    let key = match role {
        LayerRef::Lower(_) => "lowerdir+",
        LayerRef::Data(_) => "datadir+",
        LayerRef::Upper => "upperdir",
        LayerRef::Work => "workdir",
    };
    match set_layer_as(context, key, layer, make.features) {
        Err(error) if error.raw_errno() == Some(Errno::NAMETOOLONG) => {
            if make.is_prediction {
                return Ok(None);
            }
            let strategy = make.features.best().unwrap_or(GiveLayers::Names);
            trace::fallback(GiveLayers::OPERATION, strategy.text(), error.raw_errno());
            // The kernel formats the layer's path into a page; the root of a clone is `/`.
            let clone = Tree::clone_of(layer, "", false)?;
            set_layer_as(context, key, clone.root(), make.features)?;
            Ok(Some(clone))
        }
        other => other.map(|()| None),
    }
}

/// Sets a layer as a descriptor \[Linux 6.13\], else by the descriptor's name in /proc.
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
