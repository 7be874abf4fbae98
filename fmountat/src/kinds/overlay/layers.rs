// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Opens the layers.

use crate::error::{Error, ErrorKind, LayerRef, Operation, Result, Syscall};
use crate::kinds::overlay::common::open_directory;
use crate::kinds::overlay::definition::{Layer, OVERLAY_LAYERS_MAX, Overlay};
use crate::kinds::overlay::layer_files::{OpenLayers, Opened};
use crate::vfs::bytes::c_string;
use crate::vfs::target::open_error;
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use std::path::Path;
use std::sync::Arc;

impl Overlay {
    /// Opens every layer with `O_PATH`, in the order of [`Overlay::layers`]. A relative layer is
    /// resolved from `dir`.
    pub(crate) fn open_all(&self, dir: BorrowedFd<'_>) -> Result<OpenLayers> {
        let open = |(role, layer): (LayerRef, &Layer)| {
            let fd = match layer {
                Layer::Fd(fd) => Arc::clone(fd),
                Layer::Path(path) => {
                    c_string(Operation::ReadLayer, path).map_err(|e| e.with_layer(role))?;
                    Arc::new(open_directory(dir, path).map_err(|errno| layer_error(role, path, errno))?)
                }
            };
            Ok((role, Opened::Fd(fd)))
        };
        self.layers().map(open).collect()
    }
}

/// Replaces each lower layer by a clone whose owners `userns` maps. The upper is not mapped: the
/// overlay would become read-only.
pub(crate) fn map_layers(layers: OpenLayers, userns: BorrowedFd<'_>) -> Result<OpenLayers> {
    let map = |(role, layer): (LayerRef, Opened)| {
        if is_written(role) {
            return Ok((role, layer));
        }
        let clone = Tree::clone_idmapped(layer.as_fd(), "", false, userns).map_err(|e| e.with_layer(role))?;
        Ok((role, Opened::Mapped(clone)))
    };
    layers.into_iter().map(map).collect()
}

/// Reports whether the layer is the upper or the work directory.
pub(crate) fn is_written(role: LayerRef) -> bool {
    matches!(role, LayerRef::Upper | LayerRef::Work)
}

/// Refuses what can be refused without accessing the file system.
pub(crate) fn check_counts(overlay: &Overlay) -> Result<()> {
    let count = overlay.lowers.len() + overlay.data_only.len();
    let (upper, work) = (overlay.upper.is_some(), overlay.work.is_some());
    let conflicts = [
        (upper && !work, "upperdir requires workdir"),
        (work && !upper, "workdir requires upperdir"),
        (overlay.lowers.is_empty(), "lowerdir is missing"),
    ];
    let error = |reason| Error::new(ErrorKind::OptionConflict, Operation::ReadOverlayOptions, reason);
    if let Some((_, reason)) = conflicts.into_iter().find(|(is_there, _)| *is_there) {
        return Err(error(reason));
    }
    if count == 1 && !upper {
        return Err(error("a single lowerdir without upperdir is not a valid overlay")
            .with_hint("bind the directory read-only instead: `bind,ro`"));
    }
    if count > OVERLAY_LAYERS_MAX {
        let over = overlay.layers().nth(OVERLAY_LAYERS_MAX);
        let reason = format!(
            "the overlay has {count} lower layers, and the kernel allows at most {OVERLAY_LAYERS_MAX}"
        );
        let error = Error::new(ErrorKind::TooManyLayers, Operation::CountLayers, reason)
            .with_layer(LayerRef::Lower(OVERLAY_LAYERS_MAX + 1));
        return Err(match over {
            Some((_, Layer::Path(path))) => error.with_argument(path),
            _ => error,
        });
    }
    Ok(())
}

fn layer_error(role: LayerRef, path: &Path, errno: Errno) -> Error {
    let error = open_error(Operation::OpenLayer, Syscall::Openat, path, errno).with_layer(role);
    match errno {
        Errno::NOENT => error.with_kind(ErrorKind::LayerMissing),
        Errno::NOTDIR => error.with_kind(ErrorKind::LayerNotDirectory).with_reason("is not a directory"),
        _ => error,
    }
}
