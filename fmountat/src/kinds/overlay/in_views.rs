// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Creates an overlay in the private mount namespace, from layers in views of the host's
//! directories. The mount table shows the host's paths.

use crate::error::{LayerRef, Operation, Result};
use crate::kinds::overlay::check::explain;
use crate::kinds::overlay::common::common_directory;
use crate::kinds::overlay::definition::{Layer, Overlay};
use crate::kinds::overlay::layer_files::{OpenLayers, Opened};
use crate::kinds::overlay::layers::{is_written, map_layers};
use crate::kinds::overlay::params::Make;
use crate::mountinfo::id::MountId;
use crate::strategy::{MapLayers, Strategies};
use crate::sys::procfs::{self, Paths};
use crate::trace;
use crate::vfs::host_view::{CROWD, HostDirectory, HostFile};
use crate::vfs::identity::is_attached_here;
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd};
use std::path::{Component, Path, PathBuf};

/// The name of the operation in trace events.
const CREATE: &str = "create an overlay";

const IN_VIEWS: &str = "in the private mount namespace";

/// Reports whether the overlay is created in the private namespace: if owners are mapped, so that
/// the mount table shows the layers' paths, and on a host with many mounts.
pub(crate) fn uses_views(make: &Make<'_>, layers: &OpenLayers) -> bool {
    if make.userns.is_some() {
        return make.features.best() == Some(MapLayers::Views);
    }
    // The last is the work directory if there is one.
    layers.last().is_some_and(|(_, layer)| is_worth_views(make, layer.as_fd(), layers.len()))
}

/// Reports whether the layer is on a mount with so many child mounts that the private namespace is
/// worth its cost for an overlay of `count` layers. The layers of an overlay are mostly on one
/// mount.
pub(crate) fn is_worth_views(make: &Make<'_>, layer: BorrowedFd<'_>, count: usize) -> bool {
    if !make.features.private_namespace {
        return false;
    }
    let mount = MountId::of(layer).ok().and_then(MountId::unique);
    mount.is_some_and(|mount| make.private.views.is_crowded(mount.get(), CROWD))
        && make.private.is_worth(count)
}

/// The paths by which layers are opened in views. To ask the kernel for a real path costs as much
/// as all else for a layer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    /// As given, where that is an absolute path. A view is searched without following links, and
    /// the file found is compared.
    Given,
    /// As the kernel names the open layers.
    Real,
}

/// Reports whether the path is absolute and has no `..`.
fn is_plain(path: &Path) -> bool {
    path.is_absolute() && !path.components().any(|part| part == Component::ParentDir)
}

/// The directories to view, and for each layer its file and the index of its directory. A layer in
/// a detached tree has neither.
#[derive(Default)]
struct Wanted {
    directories: Vec<HostDirectory>,
    layers: Vec<Option<(HostFile, usize)>>,
}

impl Overlay {
    /// Creates the overlay in the private namespace. After a failure, tries again in the caller's
    /// namespace if possible: errors there name the layer and the reason.
    pub(crate) fn mount_in_views(&self, make: &Make<'_>, layers: OpenLayers) -> Result<Tree> {
        let given = self.try_in_views(make, &layers, Names::Given);
        match given.or_else(|_| self.try_in_views(make, &layers, Names::Real)) {
            Ok(tree) => Ok(tree),
            Err(error) if make.userns.is_none() || make.features.can(MapLayers::Clones) => {
                trace::fallback(CREATE, IN_VIEWS, error.raw_errno());
                self.mount_here(make, layers)
            }
            Err(error) if error.operation() == Operation::Create => Err(explain(error, self, &layers)),
            Err(error) => {
                Err(make.userns.and_then(|userns| map_layers(layers, userns).err()).unwrap_or(error))
            }
        }
    }

    fn try_in_views(&self, make: &Make<'_>, layers: &OpenLayers, names: Names) -> Result<Tree> {
        trace::strategy(CREATE, IN_VIEWS);
        if make.userns.is_some() {
            MapLayers::Views.record();
        }
        let wanted = Wanted::of(self, make, layers, names)?;
        make.private.run(|inside| {
            let views = wanted.directories.into_iter().map(|directory| inside.view(directory));
            let views = views.collect::<Result<Vec<_>>>()?;
            let show = |index: usize| match &wanted.layers[index] {
                Some((_, view)) => inside.show(Some(&views[*view])),
                None => Ok(()),
            };
            let open = |(index, (role, layer)): (usize, &(LayerRef, Opened))| {
                show(index)?;
                let opened = match &wanted.layers[index] {
                    Some((file, _)) => Opened::InView { fd: file.open_in_view()?, path: file.path.clone() },
                    None => layer.again(make.userns.filter(|_| !is_written(*role)))?,
                };
                Ok((*role, opened))
            };
            let layers = layers.iter().enumerate().map(open).collect::<Result<OpenLayers>>()?;
            let (context, clones) = self.configure(make, &layers, show)?;
            let created = context.create()?;
            drop((clones, layers));
            created.mount(make.attr)
        })
    }
}

impl Wanted {
    /// Chooses a directory for all layers on one mount.
    ///
    /// # Errors
    /// Those of [`HostDirectory`].
    fn of(overlay: &Overlay, make: &Make<'_>, layers: &OpenLayers, names: Names) -> Result<Self> {
        let mut wanted = Self::default();
        let paths = Paths::new().map_err(|e| procfs::failed(Operation::OpenLayer, "thread-self/fd", e))?;
        let file = |((_, layer), (_, opened)): ((_, &Layer), &(_, Opened))| match layer {
            Layer::Fd(fd) if !is_attached_here(fd.as_fd())? => Ok(None),
            Layer::Path(path) if names == Names::Given && is_plain(path) => {
                HostFile::named(path.clone(), opened.as_fd()).map(Some)
            }
            _ => HostFile::of(&paths, opened.as_fd()).map(Some),
        };
        let files = overlay.layers().zip(layers).map(file).collect::<Result<Vec<_>>>()?;
        let mut groups: Vec<(u64, bool)> = Vec::new();
        let group_of = |index: usize, file: &HostFile| {
            (file.mount, make.userns.is_some() && !is_written(layers[index].0))
        };
        for (index, file) in files.iter().enumerate() {
            let Some(group) = file.as_ref().map(|file| group_of(index, file)) else { continue };
            if groups.contains(&group) {
                continue;
            }
            let members = files.iter().enumerate().filter_map(|(at, file)| Some((at, file.as_ref()?)));
            let paths =
                members.filter(|(at, file)| group_of(*at, file) == group).map(|(_, file)| &*file.path);
            let common = common_directory(paths).unwrap_or_else(|| PathBuf::from("/"));
            let userns = make.userns.filter(|_| group.1);
            wanted.directories.push(directory(make, layers[index].1.as_fd(), &common, userns)?);
            groups.push(group);
        }
        let place = |(index, file): (usize, Option<HostFile>)| {
            let file = file?;
            let group = group_of(index, &file);
            Some((file, groups.iter().position(|known| *known == group)?))
        };
        wanted.layers = files.into_iter().enumerate().map(place).collect();
        Ok(wanted)
    }
}

fn directory(
    make: &Make<'_>,
    layer: BorrowedFd<'_>,
    common: &Path,
    userns: Option<BorrowedFd<'_>>,
) -> Result<HostDirectory> {
    match userns {
        Some(userns) => HostDirectory::idmapped(common, userns),
        None => HostDirectory::of(&make.private.views, layer, common),
    }
}
