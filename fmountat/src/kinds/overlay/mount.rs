// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An overlay by the file-system context: configured once, for the mount and for the prediction of it.

use crate::error::{Error, ErrorKind, LayerRef, Operation, Result, Syscall};
use crate::kinds::filesystem::tell;
use crate::kinds::overlay::by_mount::number_names;
use crate::kinds::overlay::check::{check_writable, explain};
use crate::kinds::overlay::conflict;
use crate::kinds::overlay::definition::Overlay;
use crate::kinds::overlay::in_private_namespace::check_elsewhere;
use crate::kinds::overlay::layer_files::{OpenLayers, open_layer, roles, with_layer};
use crate::kinds::overlay::layers::{LayerBases, check_counts};
use crate::kinds::overlay::params::{Make, Prediction, set_layer};
use crate::strategy::{GiveLayers, MapLayers, Strategies};
use crate::vfs::context::FsContext;
use crate::vfs::features::Features;
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;

/// Whether a detached overlay is a copy of one that mount(2) has mounted elsewhere.
fn is_made_elsewhere(make: &Make<'_>) -> bool {
    let features = make.features;
    let by_mount = !matches!(features.best(), Some(GiveLayers::Descriptors | GiveLayers::Names));
    by_mount || (make.is_mapped() && features.best() != Some(MapLayers::Clone))
}

impl Overlay {
    /// Mounts it detached, each layer given to the kernel as a descriptor.
    pub(crate) fn mount_detached(&self, make: &Make<'_>) -> Result<Tree> {
        check_counts(self)?;
        if is_made_elsewhere(make) {
            return self.mount_elsewhere(make);
        }
        if make.is_mapped() {
            MapLayers::Clone.record();
        }
        make.features.best().unwrap_or(GiveLayers::Names).record();
        // The clones must live until the file system is created.
        let bases = LayerBases::of(self, make);
        let layers = self.open_layers(make, &bases)?;
        let (context, clones) = self.configure(make, &layers)?;
        let created = context.create().map_err(|error| explain(error, self, &layers))?;
        drop((clones, bases));
        let tree = created.mount(make.attr)?;
        if self.is_writable() && !make.flags.contains(&"ro") {
            check_writable(tree.root(), self.work.as_ref())?;
        }
        Ok(tree)
    }

    /// The error that [`mount_detached`](Self::mount_detached) would end in, as far as looking can tell: the same steps up to
    /// the file system's creation. Whether an overlay of another namespace uses its upper is not asked: that takes a scratch
    /// overlay.
    pub(crate) fn predict(&self, make: &Make<'_>, prediction: Prediction) -> Result<()> {
        check_counts(self)?;
        let permitted = |operation, call| match prediction.may_mount {
            true => Ok(()),
            false => Err(Error::sys(operation, call, Errno::PERM)),
        };
        let is_elsewhere = is_made_elsewhere(make);
        if is_elsewhere {
            check_elsewhere(make.features)?;
            permitted(Operation::MakePrivateMountNamespace, Syscall::Unshare)?;
        }
        let layers = self.open_layers(make, &LayerBases::none())?;
        if is_elsewhere {
            self.option_text(make.features, number_names(&layers).iter().map(AsRef::as_ref))?;
        }
        match prediction.is_loaded {
            true => drop(self.configure(make, &layers)?),
            false => permitted(Operation::OpenFilesystem, Syscall::Fsopen)
                .map_err(|error| error.with_argument("overlay"))?,
        }
        // What the kernel would refuse at the end, and without a word.
        let refused =
            |errno| Error::sys(Operation::Create, Syscall::Fsconfig, errno).with_argument("overlay");
        if conflict::of_layers(&layers, self).is_some() {
            return Err(explain(refused(Errno::LOOP), self, &layers));
        }
        let guess = explain(refused(Errno::INVAL), self, &layers);
        if guess.kind() == ErrorKind::System { Ok(()) } else { Err(guess) }
    }

    /// Opens the layers, and checks those that are written to.
    pub(crate) fn open_layers(&self, make: &Make<'_>, bases: &LayerBases<'_>) -> Result<OpenLayers> {
        let layers = bases.open_all(self, make.dir)?;
        self.check_open(&layers, make)?;
        Ok(layers)
    }

    /// Tells the kernel all of it, up to its creation. The trees that come with the context must live until then.
    pub(crate) fn configure(&self, make: &Make<'_>, layers: &OpenLayers) -> Result<(FsContext, Vec<Tree>)> {
        let mut context = FsContext::open("overlay")?;
        if let Some(source) = make.source {
            context.set_string("source", source)?;
        }
        let mut clones = Vec::new();
        // Else they are one option of mount(2), which can't be asked.
        for (role, layer) in layers.iter().filter(|_| make.features.overlay_layer_words) {
            let set = set_layer(&mut context, *role, layer.as_fd(), make);
            clones.extend(set.map_err(|error| self.layer_error(error, *role))?);
        }
        tell(&mut context, make.flags, &self.words)?;
        if self.needs_userxattr(make.features) {
            context.set_flag("userxattr")?;
        }
        Ok((context, clones))
    }

    /// In a user namespace `trusted.` attributes can't be written: without `userxattr` the overlay mounts, and fails
    /// later with EIO when a directory is removed and made again.
    pub(crate) fn needs_userxattr(&self, features: &Features) -> bool {
        !features.initial_user_namespace && !self.has_word("userxattr")
    }

    fn layer_error(&self, error: Error, role: LayerRef) -> Error {
        let has = |text: &str| error.kernel().iter().any(|line| line.contains(text));
        let (is_file, is_unfit) = (has("is not a directory"), has("not supported") || has("read-only"));
        let error = error.with_operation(Operation::SetLayer).with_layer(role);
        let error = match (is_file, is_unfit) {
            (true, _) => error.with_kind(ErrorKind::LayerNotDirectory).with_reason("a layer must be a directory"),
            (_, true) if role.is_upper() || role.is_work() => error
                .with_kind(ErrorKind::UpperUnusable)
                .with_reason("overlay can't write to this file system")
                .with_hint("upperdir and workdir need a writable file system with d_type and extended attributes: ext4, xfs, \
                         btrfs, tmpfs"),
            (_, true) => error.with_reason("overlay can't stack this file system"),
            _ => error,
        };
        let layer = roles(self).find(|(other, _)| *other == role).map(|(_, layer)| layer);
        with_layer(error, layer)
    }

    /// Its layers as far as they can be opened, topmost first: what would be seen in it.
    pub(crate) fn visible_layers(&self, dir: BorrowedFd<'_>) -> Vec<OwnedFd> {
        self.upper.iter().chain(&self.lowers).filter_map(|layer| open_layer(layer, dir)).collect()
    }
}
