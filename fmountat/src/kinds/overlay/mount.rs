// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mounts an overlay by the file-system context, and predicts the result.

use crate::error::{Error, ErrorKind, LayerRef, Operation, Result, Syscall};
use crate::kinds::filesystem::set_options;
use crate::kinds::overlay::by_mount::number_names;
use crate::kinds::overlay::check::{check_writable, explain};
use crate::kinds::overlay::conflict;
use crate::kinds::overlay::definition::Overlay;
use crate::kinds::overlay::in_copied_namespace::check_private_namespace;
use crate::kinds::overlay::in_views::uses_views;
use crate::kinds::overlay::layer_files::{OpenLayers, fd_of, open_layer};
use crate::kinds::overlay::layers::{check_counts, map_layers};
use crate::kinds::overlay::params::{Make, Prediction, set_layer};
use crate::strategy::{GiveLayers, MapLayers, Strategies};
use crate::vfs::context::FsContext;
use crate::vfs::features::Features;
use crate::vfs::tree::Tree;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;

/// Reports whether the overlay must be mounted with mount(2) in a copied namespace.
fn needs_mount_call(make: &Make<'_>) -> bool {
    !matches!(make.features.best(), Some(GiveLayers::Descriptors | GiveLayers::Names))
}

impl Overlay {
    /// Mounts the overlay, detached, with each layer passed as a descriptor.
    pub(crate) fn mount_detached(&self, make: &Make<'_>) -> Result<Tree> {
        check_counts(self)?;
        if needs_mount_call(make) {
            return self.mount_in_copied_namespace(make);
        }
        let layers = self.open_layers(make)?;
        let tree = match uses_views(make, &layers) {
            true => self.mount_in_views(make, layers)?,
            false => self.mount_here(make, layers)?,
        };
        if self.is_writable() && !make.flags.contains(&"ro") {
            check_writable(tree.root(), self)?;
        }
        Ok(tree)
    }

    /// Creates the overlay in the caller's mount namespace.
    pub(crate) fn mount_here(&self, make: &Make<'_>, layers: OpenLayers) -> Result<Tree> {
        make.features.best().unwrap_or(GiveLayers::Names).record();
        let layers = match make.userns {
            Some(userns) => {
                MapLayers::Clones.record();
                map_layers(layers, userns)?
            }
            None => layers,
        };
        // The clones must live until the file system is created.
        let (context, clones) = self.configure(make, &layers, |_| Ok(()))?;
        let created = context.create().map_err(|error| explain(error, self, &layers))?;
        drop(clones);
        created.mount(make.attr)
    }

    /// Predicts the error of [`mount_detached`](Self::mount_detached) by the same steps, except
    /// that it does not create the file system. Does not find an overlay of another namespace that
    /// uses the upper: that needs a probe overlay.
    pub(crate) fn predict(&self, make: &Make<'_>, prediction: Prediction) -> Result<()> {
        let make = &Make { is_prediction: true, ..*make };
        check_counts(self)?;
        let permitted = |operation, call| match prediction.may_mount {
            true => Ok(()),
            false => Err(Error::sys(operation, call, Errno::PERM)),
        };
        let by_mount = needs_mount_call(make);
        if by_mount {
            check_private_namespace(make.features)?;
            permitted(Operation::MakePrivateMountNamespace, Syscall::Unshare)?;
        }
        let layers = self.open_layers(make)?;
        if by_mount {
            self.option_text(make.features, number_names(&layers).iter().map(AsRef::as_ref))?;
        }
        match prediction.is_loaded {
            true => drop(self.configure(make, &layers, |_| Ok(()))?),
            false => permitted(Operation::OpenFilesystem, Syscall::Fsopen)
                .map_err(|error| error.with_argument("overlay"))?,
        }
        // The kernel refuses these only at the end, and reports no reason.
        let refused =
            |errno| Error::sys(Operation::Create, Syscall::Fsconfig, errno).with_argument("overlay");
        if conflict::of_layers(&layers, self).is_some() {
            return Err(explain(refused(Errno::LOOP), self, &layers));
        }
        let guess = explain(refused(Errno::INVAL), self, &layers);
        if guess.kind() == ErrorKind::System { Ok(()) } else { Err(guess) }
    }

    /// Opens the layers, and checks upper and work.
    pub(crate) fn open_layers(&self, make: &Make<'_>) -> Result<OpenLayers> {
        let layers = self.open_all(make.dir)?;
        let (upper, work) = (fd_of(&layers, LayerRef::Upper), fd_of(&layers, LayerRef::Work));
        self.check_written(upper, work, make.features, make.is_prediction)?;
        Ok(layers)
    }

    /// Returns a context with all options set, and the trees that must live until it is created.
    /// Calls `show` with the index of each layer before it sets that layer.
    pub(crate) fn configure(
        &self,
        make: &Make<'_>,
        layers: &OpenLayers,
        show: impl Fn(usize) -> Result<()>,
    ) -> Result<(FsContext, Vec<Tree>)> {
        let mut context = FsContext::open("overlay")?;
        if let Some(source) = make.source {
            context.set_string("source", source)?;
        }
        let mut clones = Vec::new();
        // Without `lowerdir+` mount(2) takes the layers in one option, which cannot be tried alone.
        for (index, (role, layer)) in
            layers.iter().enumerate().filter(|_| make.features.overlay_append_layers)
        {
            show(index)?;
            let set = set_layer(&mut context, *role, layer, make);
            clones.extend(set.map_err(|error| self.layer_error(error, *role))?);
        }
        set_options(&mut context, make.flags, &self.options)?;
        if self.needs_userxattr(make.features) {
            context.set_flag("userxattr")?;
        }
        Ok((context, clones))
    }

    /// Reports whether `userxattr` must be added. In a user namespace `trusted.` attributes cannot
    /// be written, and without it removing and recreating a directory fails with EIO.
    pub(crate) fn needs_userxattr(&self, features: &Features) -> bool {
        !features.initial_user_namespace && !self.has_option("userxattr")
    }

    fn layer_error(&self, error: Error, role: LayerRef) -> Error {
        let has = |text: &str| error.kernel().iter().any(|line| line.contains(text));
        let (is_file, is_unfit) = (has("is not a directory"), has("not supported") || has("read-only"));
        let error = error.with_operation(Operation::SetLayer);
        let error = match (is_file, is_unfit) {
            (true, _) => error.with_kind(ErrorKind::LayerNotDirectory).with_reason("is not a directory"),
            (_, true) if matches!(role, LayerRef::Upper | LayerRef::Work) => error
                .with_kind(ErrorKind::UpperUnusable)
                .with_reason("overlay can't use this file system for upperdir and workdir")
                .with_hint(
                    "put upperdir and workdir on a writable file system with d_type and extended \
                     attributes: ext4, xfs, btrfs, tmpfs",
                ),
            (_, true) => error.with_reason("overlay does not support this file system as a layer"),
            _ => error,
        };
        self.name_layer(error, role)
    }

    /// Opens the layers that are visible in the overlay, topmost first. Skips those that cannot be
    /// opened.
    pub(crate) fn visible_layers(&self, dir: BorrowedFd<'_>) -> Vec<OwnedFd> {
        self.upper.iter().chain(&self.lowers).filter_map(|layer| open_layer(layer, dir)).collect()
    }
}
