// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From layers as they were given to layers that were found: below a clone where that is the same, else on the host.

use crate::error::{Error, ErrorKind, LayerRef, Operation, Result, Syscall};
use crate::kinds::overlay::base::Base;
use crate::kinds::overlay::common::common_directory;
use crate::kinds::overlay::definition::{Layer, OVERLAY_LAYERS_MAX, Overlay};
use crate::kinds::overlay::layer_files::{OpenLayers, Opened, roles};
use crate::kinds::overlay::params::Make;
use crate::vfs::bytes::c_string;
use crate::vfs::target::open_error;
use crate::vfs::tree::Tree;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a layer was found.
#[derive(Debug)]
enum Found<'a> {
    /// Below the clone of the group's base.
    Clone(OwnedFd),
    /// On the host, starting at the directory of the call.
    Host(&'a Path),
    /// Already open.
    Given(&'a Arc<OwnedFd>),
}

/// The bases of one overlay: one for what is read, one for what is written.
#[derive(Debug)]
pub(crate) struct LayerBases<'a> {
    lower: Option<(PathBuf, Base)>,
    upper: Option<(PathBuf, Base)>,
    /// The user namespace that the lower layers are mapped by.
    userns: Option<BorrowedFd<'a>>,
}

impl<'a> LayerBases<'a> {
    /// None: every layer is opened on the host.
    pub(crate) fn none() -> Self {
        Self { lower: None, upper: None, userns: None }
    }

    pub(crate) fn of(overlay: &Overlay, make: &Make<'a>) -> Self {
        let Make { dir, clones, userns, .. } = *make;
        let can_be_detached = make.features.overlay_detached_layers;
        if !make.features.new_mount_api || userns.is_none() && !can_be_detached {
            return Self { lower: None, upper: None, userns: None };
        }
        let lowers = paths(overlay.lowers.iter().chain(&overlay.data_only));
        let uppers = paths(overlay.upper.iter().chain(&overlay.work));
        let open = |path: PathBuf| Base::of(clones, dir, &path).map(|base| (path, base));
        let all = base_directory(lowers.iter().chain(&uppers).copied());
        let lower = base_directory(lowers.iter().copied());
        if let Some(userns) = userns {
            // What is written must not come through a mapping: the overlay would be read-only.
            let mapped = |path: PathBuf| Base::idmapped(dir, &path, userns).map(|base| (path, base));
            let upper = base_directory(uppers.iter().copied()).filter(|_| can_be_detached).and_then(open);
            return Self { lower: lower.and_then(mapped), upper, userns: Some(userns) };
        }
        // One base for both serves mount(2), which has one cwd; two where the common one is only `/`.
        if let Some(all) = all.filter(|all| all.parent().is_some() || lower.as_deref() == Some(all)) {
            return Self { lower: open(all), upper: None, userns: None };
        }
        let upper = base_directory(uppers.iter().copied()).and_then(open);
        Self { lower: lower.and_then(open), upper, userns: None }
    }

    /// The mapped clone that lower layers lie in.
    pub(crate) fn mapped(&self) -> Option<BorrowedFd<'_>> {
        self.lower.as_ref().filter(|_| self.userns.is_some()).map(|(_, base)| base.clone_root())
    }

    fn of_role(&self, role: LayerRef) -> Option<&(PathBuf, Base)> {
        match role {
            LayerRef::Upper | LayerRef::Work if self.userns.is_some() => self.upper.as_ref(),
            LayerRef::Upper | LayerRef::Work => self.upper.as_ref().or(self.lower.as_ref()),
            LayerRef::Lower(_) | LayerRef::Data(_) => self.lower.as_ref(),
        }
    }

    fn find<'l>(&self, layer: &'l Layer, role: LayerRef) -> Result<Found<'l>> {
        let path = match layer {
            Layer::Fd(fd) => return Ok(Found::Given(fd)),
            Layer::Path(path) => path,
        };
        c_string(Operation::ReadLayer, path).map_err(|e| e.with_layer(role))?;
        let opened =
            self.of_role(role).and_then(|(prefix, base)| base.open(or_dot(path.strip_prefix(prefix).ok()?)));
        Ok(opened.map_or(Found::Host(path), Found::Clone))
    }

    /// Opens every layer of the overlay, in the order of [`roles`]; a relative one starts at `dir`.
    pub(crate) fn open_all(&self, overlay: &Overlay, dir: BorrowedFd<'_>) -> Result<OpenLayers> {
        let found = roles(overlay).map(|(role, layer)| Ok((role, layer, self.find(layer, role)?)));
        let found = found.collect::<Result<Vec<_>>>()?;
        // The kernel wants upper and work on one mount, and a clone is a mount of its own: both in it, or neither.
        let written = |role: &LayerRef| role.is_upper() || role.is_work();
        let apart = found.iter().any(|(role, _, found)| written(role) && !matches!(found, Found::Clone(_)));
        let mut layers = OpenLayers::with_capacity(found.len());
        for (role, layer, found) in found {
            let found = match (layer, found) {
                (Layer::Path(path), Found::Clone(_)) if apart && written(&role) => Found::Host(path),
                (_, found) => found,
            };
            let mapped =
                matches!(role, LayerRef::Lower(_) | LayerRef::Data(_)).then_some(self.userns).flatten();
            layers.push((role, open(found, role, dir, mapped)?));
        }
        Ok(layers)
    }
}

/// What can be told without looking at the file system.
pub(crate) fn check_counts(overlay: &Overlay) -> Result<()> {
    let wrong = |kind, reason: &str| Err(Error::new(kind, Operation::ReadOverlayOptions, reason));
    let count = overlay.lowers.len() + overlay.data_only.len();
    match (&overlay.upper, &overlay.work) {
        (Some(_), None) => return wrong(ErrorKind::OptionConflict, "upperdir needs a workdir"),
        (None, Some(_)) => return wrong(ErrorKind::OptionConflict, "workdir needs an upperdir"),
        _ => {}
    }
    if overlay.lowers.is_empty() {
        return wrong(ErrorKind::OptionConflict, "an overlay needs at least one lowerdir");
    }
    if count == 1 && overlay.upper.is_none() {
        let error = Error::new(
            ErrorKind::OptionConflict,
            Operation::ReadOverlayOptions,
            "one lowerdir without an upperdir is no overlay to the kernel",
        );
        return Err(error.with_hint("bind that directory with `ro` instead"));
    }
    if count > OVERLAY_LAYERS_MAX {
        let over = roles(overlay).nth(OVERLAY_LAYERS_MAX);
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

/// Opens a found layer with `O_PATH`. One that is to be mapped and lies in no mapped clone gets a clone of its own.
fn open(
    found: Found<'_>,
    role: LayerRef,
    dir: BorrowedFd<'_>,
    userns: Option<BorrowedFd<'_>>,
) -> Result<Opened> {
    if let (Some(userns), Found::Host(_) | Found::Given(_)) = (userns, &found) {
        let opened = open(found, role, dir, None)?;
        let mapped = Tree::clone_idmapped(&opened, "", false, userns);
        return mapped.map(Opened::Mapped).map_err(|e| e.with_layer(role));
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match found {
        Found::Given(fd) => Ok(Opened::Given(Arc::clone(fd))),
        Found::Clone(fd) => Ok(Opened::Ours(fd)),
        Found::Host(path) => {
            let opened = rustix::fs::openat(dir, path, flags, Mode::empty());
            opened.map(Opened::Ours).map_err(|errno| layer_error(role, path, errno))
        }
    }
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

fn paths<'a>(layers: impl Iterator<Item = &'a Layer>) -> Vec<&'a Path> {
    let path = |layer: &'a Layer| match layer {
        Layer::Path(path) => Some(path.as_path()),
        Layer::Fd(_) => None,
    };
    layers.filter_map(path).collect()
}

/// The one directory that all layers lie below: mount(2) has one cwd. None where they have only `/` in common and the
/// lowers by themselves more, or where a layer is a descriptor.
pub(crate) fn one_base(overlay: &Overlay) -> Option<PathBuf> {
    if roles(overlay).any(|(_, layer)| matches!(layer, Layer::Fd(_))) {
        return None;
    }
    let lowers = paths(overlay.lowers.iter().chain(&overlay.data_only));
    let uppers = paths(overlay.upper.iter().chain(&overlay.work));
    let all = base_directory(lowers.iter().chain(&uppers).copied())?;
    let serves = all.parent().is_some() || base_directory(lowers.iter().copied()).as_ref() == Some(&all);
    serves.then_some(all)
}

/// The layer's path below the base; `None` for a descriptor.
pub(crate) fn below<'a>(layer: &'a Layer, base: &Path) -> Option<&'a Path> {
    match layer {
        Layer::Path(path) => path.strip_prefix(base).ok().map(or_dot),
        Layer::Fd(_) => None,
    }
}

fn or_dot(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// The common directory, one up if a layer is that directory itself: a layer must lie below its base.
fn base_directory<'a>(paths: impl Iterator<Item = &'a Path> + Clone) -> Option<PathBuf> {
    let common = common_directory(paths.clone())?;
    let is_layer = paths.clone().any(|path| path == common);
    match (is_layer, common.parent()) {
        (true, Some(parent)) => Some(parent.to_owned()),
        _ => Some(common),
    }
}
