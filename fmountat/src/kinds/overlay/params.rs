// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The parameters of an overlay, and how a layer is passed to the kernel.

use crate::error::{LayerRef, Operation, Result};
use crate::kinds::overlay::layer_files::Opened;
use crate::strategy::{GiveLayers, Strategies};
use crate::sys::procfs;
use crate::trace;
use crate::vfs::attr::MountAttr;
use crate::vfs::context::{FSCONFIG_STRING_MAX, FsContext};
use crate::vfs::features::Features;
use crate::vfs::host_view::path_to;
use crate::vfs::private_namespace::PrivateNamespace;
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The parameters of a detached overlay, besides its layers and own options.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Make<'a> {
    /// The directory that relative layers are resolved from.
    pub(crate) dir: BorrowedFd<'a>,
    pub(crate) private: &'a PrivateNamespace,
    pub(crate) features: &'a Features,
    /// The source for the mount table.
    pub(crate) source: Option<&'a OsStr>,
    /// The superblock flags (`ro`, ...).
    pub(crate) flags: &'a [&'static str],
    pub(crate) attr: &'a MountAttr,
    /// The user namespace that maps the owners of the lower layers.
    pub(crate) userns: Option<BorrowedFd<'a>>,
    /// Only predicts the error of making the overlay; changes nothing.
    pub(crate) is_prediction: bool,
}

/// The conditions of a prediction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prediction {
    /// Whether the caller may mount.
    pub(crate) may_mount: bool,
    /// Whether overlayfs is loaded. Otherwise fsopen(2) would load the module.
    pub(crate) is_loaded: bool,
}

/// Sets one layer. A returned tree must live until the file system is created.
pub(crate) fn set_layer(
    context: &mut FsContext,
    role: LayerRef,
    layer: &Opened,
    make: &Make<'_>,
) -> Result<Option<Tree>> {
    let key = match role {
        LayerRef::Lower(_) => "lowerdir+",
        LayerRef::Data(_) => "datadir+",
        LayerRef::Upper => "upperdir",
        LayerRef::Work => "workdir",
    };
    let path = match layer {
        Opened::InView { path, .. } => Some(path),
        Opened::Fd(_) | Opened::Mapped(_) => None,
    };
    match set_layer_as(context, key, layer.as_fd(), path, make.features) {
        Err(error) if error.raw_errno() == Some(Errno::NAMETOOLONG) => {
            if make.is_prediction {
                return Ok(None);
            }
            let strategy = make.features.best().unwrap_or(GiveLayers::Names);
            trace::fallback(GiveLayers::OPERATION, strategy.text(), error.raw_errno());
            // The kernel formats the layer's path into one page; the root of a clone is `/`.
            let clone = Tree::clone_of(layer, "", false)?;
            set_layer_as(context, key, clone.root(), None, make.features)?;
            Ok(Some(clone))
        }
        other => other.map(|()| None),
    }
}

/// Sets a layer by its descriptor \[Linux 6.13\], else by its path, which the mount table then
/// shows. If that is too long, leads to another file or has a `\\`, which the kernel would take for
/// an escape, sets it by the descriptor's name in /proc. `path` is the path of a layer in a view.
pub(crate) fn set_layer_as(
    context: &mut FsContext,
    key: &str,
    layer: BorrowedFd<'_>,
    path: Option<&PathBuf>,
    features: &Features,
) -> Result<()> {
    if features.best() == Some(GiveLayers::Descriptors) {
        return context.set_fd(key, layer);
    }
    let path = path.cloned().or_else(|| path_to(layer));
    let is_fit = |path: &[u8]| path.len() <= FSCONFIG_STRING_MAX && !path.contains(&b'\\');
    match path.filter(|path| is_fit(path.as_os_str().as_bytes())) {
        Some(path) => context.set_string(key, path),
        None => context.set_string(key, procfs::name_for(Operation::OpenLayer, layer)?),
    }
}
