// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Opens the layers in a clone of their directory if that shows the same files, else on the host.

use crate::error::{Error, ErrorKind, LayerRef, Operation, Result, Syscall};
use crate::kinds::overlay::cloned_dir::ClonedDir;
use crate::kinds::overlay::common::{common_directory, open_directory};
use crate::kinds::overlay::definition::{Layer, OVERLAY_LAYERS_MAX, Overlay};
use crate::kinds::overlay::layer_files::{OpenLayers, Opened};
use crate::kinds::overlay::params::Make;
use crate::vfs::bytes::c_string;
use crate::vfs::target::open_error;
use crate::vfs::tree::Tree;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The cloned directories of one overlay: one for layers that are read, one for those that are
/// written. Without a clone, layers are opened on the host.
#[derive(Debug, Default)]
pub(crate) struct LayerDirs<'a> {
    lower: Option<(PathBuf, ClonedDir)>,
    upper: Option<(PathBuf, ClonedDir)>,
    /// The user namespace that maps the lower layers.
    userns: Option<BorrowedFd<'a>>,
}

impl<'a> LayerDirs<'a> {
    pub(crate) fn of(overlay: &Overlay, make: &Make<'a>) -> Self {
        let Make { dir, clones, userns, .. } = *make;
        let can_be_detached = make.features.overlay_detached_layers;
        if !make.features.new_mount_api || userns.is_none() && !can_be_detached {
            return Self::default();
        }
        let Directories { all, lower, upper } = Directories::of(overlay);
        let open = |path: PathBuf| ClonedDir::of(clones, dir, &path).map(|clone| (path, clone));
        match (userns, all) {
            (Some(userns), _) => {
                let mapped =
                    |path: PathBuf| ClonedDir::idmapped(dir, &path, userns).map(|clone| (path, clone));
                // Not through the mapping: the overlay would become read-only.
                let upper = upper.filter(|_| can_be_detached).and_then(open);
                Self { lower: lower.and_then(mapped), upper, userns: Some(userns) }
            }
            (None, Some(all)) => Self { lower: open(all), ..Self::default() },
            (None, None) => Self { lower: lower.and_then(open), upper: upper.and_then(open), userns: None },
        }
    }

    /// Returns the root of the mapped clone that contains lower layers.
    pub(crate) fn mapped(&self) -> Option<BorrowedFd<'_>> {
        self.lower.as_ref().filter(|_| self.userns.is_some()).map(|(_, clone)| clone.root())
    }

    fn open_in_clone(&self, layer: &Layer, role: LayerRef) -> Result<Option<OwnedFd>> {
        let Layer::Path(path) = layer else { return Ok(None) };
        c_string(Operation::ReadLayer, path).map_err(|e| e.with_layer(role))?;
        let dir = match is_written(role) {
            true if self.userns.is_some() => self.upper.as_ref(),
            true => self.upper.as_ref().or(self.lower.as_ref()),
            false => self.lower.as_ref(),
        };
        Ok(dir.and_then(|(prefix, clone)| clone.open(below(layer, prefix)?)))
    }

    /// Opens every layer with `O_PATH`, in the order of [`Overlay::layers`]. A relative layer is
    /// resolved from `dir`. A layer to be mapped gets a clone of its own if no mapped clone has it.
    pub(crate) fn open_all(&self, overlay: &Overlay, dir: BorrowedFd<'_>) -> Result<OpenLayers> {
        let found = overlay.layers().map(|(role, layer)| Ok((role, layer, self.open_in_clone(layer, role)?)));
        let found = found.collect::<Result<Vec<_>>>()?;
        // Upper and work must be on one mount, and a clone is a mount: both are in the clone, or
        // neither.
        let is_outside = found.iter().any(|(role, _, in_clone)| is_written(*role) && in_clone.is_none());
        let open = |(role, layer, in_clone): (LayerRef, &Layer, Option<OwnedFd>)| {
            let in_clone = in_clone.filter(|_| !is_outside || !is_written(role));
            let userns = self.userns.filter(|_| !is_written(role) && in_clone.is_none());
            let fd = match (in_clone, layer) {
                (Some(fd), _) => Arc::new(fd),
                (None, Layer::Fd(fd)) => Arc::clone(fd),
                (None, Layer::Path(path)) => {
                    Arc::new(open_directory(dir, path).map_err(|errno| layer_error(role, path, errno))?)
                }
            };
            let mapped = userns.map(|userns| Tree::clone_idmapped(&fd, "", false, userns)).transpose();
            let mapped = mapped.map_err(|e| e.with_layer(role))?;
            Ok((role, mapped.map_or(Opened::Fd(fd), Opened::Mapped)))
        };
        found.into_iter().map(open).collect()
    }
}

fn is_written(role: LayerRef) -> bool {
    matches!(role, LayerRef::Upper | LayerRef::Work)
}

/// Refuses what can be refused without accessing the file system.
pub(crate) fn check_counts(overlay: &Overlay) -> Result<()> {
    let count = overlay.lowers.len() + overlay.data_only.len();
    let (upper, work) = (overlay.upper.is_some(), overlay.work.is_some());
    let conflicts = [
        (upper && !work, "upperdir needs a workdir"),
        (work && !upper, "workdir needs an upperdir"),
        (overlay.lowers.is_empty(), "an overlay needs at least one lowerdir"),
    ];
    let error = |reason| Error::new(ErrorKind::OptionConflict, Operation::ReadOverlayOptions, reason);
    if let Some((_, reason)) = conflicts.into_iter().find(|(is_there, _)| *is_there) {
        return Err(error(reason));
    }
    if count == 1 && !upper {
        return Err(error("one lowerdir without an upperdir is no overlay to the kernel")
            .with_hint("bind that directory with `ro` instead"));
    }
    if count > OVERLAY_LAYERS_MAX {
        let over = overlay.layers().nth(OVERLAY_LAYERS_MAX);
        let reason = format!("there are {count} lower layers and the kernel takes {OVERLAY_LAYERS_MAX}");
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
        Errno::NOTDIR => {
            error.with_kind(ErrorKind::LayerNotDirectory).with_reason("a layer must be a directory")
        }
        _ => error,
    }
}

/// The common directories of the layers given by path.
struct Directories {
    /// The one for all layers, unless that is `/` and the one of the lowers is deeper.
    all: Option<PathBuf>,
    lower: Option<PathBuf>,
    upper: Option<PathBuf>,
}

impl Directories {
    fn of(overlay: &Overlay) -> Self {
        let lowers = paths(overlay.lowers.iter().chain(&overlay.data_only));
        let uppers = paths(overlay.upper.iter().chain(&overlay.work));
        let (lower, upper) = (base_directory(&lowers), base_directory(&uppers));
        let all = base_directory(&[lowers, uppers].concat());
        let all = all.filter(|all| all.parent().is_some() || lower.as_ref() == Some(all));
        Self { all, lower, upper }
    }
}

fn paths<'a>(layers: impl Iterator<Item = &'a Layer>) -> Vec<&'a Path> {
    let path = |layer: &'a Layer| match layer {
        Layer::Path(path) => Some(path.as_path()),
        Layer::Fd(_) => None,
    };
    layers.filter_map(path).collect()
}

/// Returns the common directory, or its parent if one of the layers is that directory.
fn base_directory(paths: &[&Path]) -> Option<PathBuf> {
    let common = common_directory(paths.iter().copied())?;
    match common.parent().filter(|_| paths.contains(&common.as_path())) {
        Some(parent) => Some(parent.to_owned()),
        None => Some(common),
    }
}

/// Returns the one directory from which mount(2) reaches all layers. Returns `None` if their only
/// common directory is `/` and that of the lowers is deeper, or if a layer is a descriptor.
pub(crate) fn one_directory(overlay: &Overlay) -> Option<PathBuf> {
    let is_fd = |(_, layer)| matches!(layer, &Layer::Fd(_));
    if overlay.layers().any(is_fd) { None } else { Directories::of(overlay).all }
}

/// Returns the layer's path relative to the directory; `None` for a descriptor.
pub(crate) fn below<'a>(layer: &'a Layer, directory: &Path) -> Option<&'a Path> {
    let Layer::Path(path) = layer else { return None };
    let below = path.strip_prefix(directory).ok()?;
    Some(if below.as_os_str().is_empty() { Path::new(".") } else { below })
}
