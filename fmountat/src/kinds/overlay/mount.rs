// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two ways to a mounted overlay: detached by the file-system context, or option bytes for mount(2).

use crate::error::{Error, ErrorKind, LayerRef, Operation, Result};
use crate::kinds::filesystem::Word;
use crate::kinds::overlay::check::{check_work, check_writable, explain, read_only};
use crate::kinds::overlay::clone_cache::{Base, Bases, Reach};
use crate::kinds::overlay::definition::{Layer, Overlay};
use crate::kinds::overlay::in_use::check_not_in_use;
use crate::kinds::overlay::layer_files::{OpenLayers, Written, fd_of, roles};
use crate::kinds::overlay::layers::{LayerBases, below, check_counts, one_base};
use crate::kinds::overlay::params::{Make, set_layer};
use crate::strategy::{GiveLayers, MapLayers, Ways};
use crate::vfs::context::FsContext;
use crate::vfs::features::Features;
use crate::vfs::mount_call::MOUNT_DATA_MAX;
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Whether a detached overlay is a copy of one that mount(2) has mounted elsewhere.
pub(crate) fn is_made_elsewhere(features: &Features, is_mapped: bool) -> bool {
    let by_mount = !matches!(features.first(), Some(GiveLayers::Descriptors | GiveLayers::Names));
    by_mount || (is_mapped && features.first() != Some(MapLayers::Clone))
}

impl Overlay {
    /// Mounts it detached, each layer given to the kernel as a descriptor.
    pub(crate) fn mount_detached(&self, make: &Make<'_>) -> Result<Tree> {
        let Make { dir, features, source, flags, attr, .. } = *make;
        check_counts(self)?;
        if is_made_elsewhere(features, make.userns.is_some()) {
            return self.mount_elsewhere(make);
        }
        if make.userns.is_some() {
            MapLayers::Clone.record();
        }
        // The clones must live until the file system is created.
        let places = LayerBases::of(self, make);
        let layers = places.open_all(self, dir)?;
        self.check_open(&layers, features)?;
        let mut context = FsContext::open("overlay")?;
        if let Some(source) = source {
            context.set_string("source", source)?;
        }
        let mut until_created: Vec<Tree> = Vec::new();
        for (role, layer) in &layers {
            let set = set_layer(&mut context, *role, layer.as_fd(), features);
            until_created.extend(set.map_err(|error| self.layer_error(error, *role))?);
        }
        for flag in flags {
            context.set_flag(flag)?;
        }
        for word in &self.words {
            word.set(&mut context)?;
        }
        if self.needs_userxattr(features) {
            context.set_flag("userxattr")?;
        }
        let created = context.create().map_err(|error| explain(error, self, &layers))?;
        drop(until_created);
        drop(places);
        let tree = created.mount(attr)?;
        if self.is_writable() && !flags.contains(&"ro") {
            check_writable(tree.root(), self.work.as_ref())?;
        }
        Ok(tree)
    }

    /// In a user namespace `trusted.` attributes can't be written: without `userxattr` the overlay mounts, and fails
    /// later with EIO when a directory is removed and made again.
    pub(crate) fn needs_userxattr(&self, features: &Features) -> bool {
        !features.initial_user_namespace && !self.has_word("userxattr")
    }

    /// The option bytes for mount(2) and the cwd to call it from, if that serves: one base directory for all layers, plain
    /// bytes in every path, and a page for all of it.
    pub(crate) fn mount_data(
        &self,
        dir: BorrowedFd<'_>,
        bases: &Bases,
        features: &Features,
    ) -> Result<Option<MountData>> {
        check_counts(self)?;
        let Some(base) = one_base(self).filter(|_| self.words.iter().all(is_plain_word)) else {
            return Ok(None);
        };
        let Some(options) = self.option_bytes(&base, features) else {
            return Ok(None);
        };
        let Some(reach) = bases.reach(dir, &base, features.overlay_detached_layers) else {
            return Ok(None);
        };
        let cwd = match reach {
            Reach::Host(host) => Cwd::Host(host),
            Reach::Clone(clone) => {
                // What is mounted on a layer or on the way to it is not in the clone.
                let has = |(_, layer): (LayerRef, &Layer)| {
                    below(layer, &base).is_some_and(|path| clone.has(or_dot(path)))
                };
                if !roles(self).all(has) {
                    return Ok(None);
                }
                Cwd::Clone(clone)
            }
        };
        self.check_below(cwd.as_fd(), &base, features)?;
        let options = OsString::from_vec(options);
        Ok(Some(MountData { cwd, base, options }))
    }

    /// `lowerdir=...,upperdir=...,workdir=...` relative to the base, and the words; `None` if mount(2) can't take it.
    fn option_bytes(&self, base: &Path, features: &Features) -> Option<Vec<u8>> {
        let mut bytes: Vec<u8> = Vec::with_capacity(512);
        for (at, (role, layer)) in roles(self).enumerate() {
            let lead: &[u8] = match role {
                LayerRef::Lower(_) if at == 0 => b"lowerdir=",
                LayerRef::Lower(_) => b":",
                LayerRef::Data(_) => b"::",
                LayerRef::Upper => b",upperdir=",
                LayerRef::Work => b",workdir=",
            };
            bytes.extend_from_slice(lead);
            let path = or_dot(below(layer, base)?).as_os_str().as_bytes();
            if path.iter().any(|b| b",:\\\"\0".contains(b)) {
                return None;
            }
            bytes.extend_from_slice(path);
        }
        for word in &self.words {
            bytes.push(b',');
            bytes.extend_from_slice(word.key.as_bytes());
            if let Some(value) = &word.value {
                bytes.push(b'=');
                bytes.extend_from_slice(value.as_bytes());
            }
        }
        if self.needs_userxattr(features) {
            bytes.extend_from_slice(b",userxattr");
        }
        (bytes.len() <= MOUNT_DATA_MAX).then_some(bytes)
    }

    /// [`check_written`](Self::check_written) for layers below a directory. A layer that can't be opened is for mount(2)
    /// to refuse.
    fn check_below(&self, root: BorrowedFd<'_>, base: &Path, features: &Features) -> Result<()> {
        let path = |layer: &Option<Layer>| Some(or_dot(below(layer.as_ref()?, base)?).to_owned());
        match (path(&self.upper), path(&self.work)) {
            (Some(upper), Some(work)) => {
                let upper = Written { dir: root, path: &upper };
                self.check_written(&upper, &Written { dir: root, path: &work }, features)
            }
            _ => Ok(()),
        }
    }

    /// [`check_written`](Self::check_written) for layers that are open.
    pub(crate) fn check_open(&self, layers: &OpenLayers, features: &Features) -> Result<()> {
        let here = Path::new(".");
        match (fd_of(layers, LayerRef::is_upper), fd_of(layers, LayerRef::is_work)) {
            (Some(upper), Some(work)) => {
                let (upper, work) = (Written { dir: upper, path: here }, Written { dir: work, path: here });
                self.check_written(&upper, &work, features)
            }
            _ => Ok(()),
        }
    }

    /// What must hold before the kernel may write to upper and work.
    fn check_written(&self, upper: &Written<'_>, work: &Written<'_>, features: &Features) -> Result<()> {
        let was_used = check_work(self, work, upper)?;
        check_not_in_use(self, upper, work, was_used, features)
    }

    /// The error for an overlay that came out read-only without being asked to.
    pub(crate) fn read_only_error(&self) -> Error {
        read_only(self.work.as_ref())
    }

    pub(crate) fn layer_error(&self, error: Error, role: LayerRef) -> Error {
        let is_file = error.kernel().iter().any(|line| line.contains("is not a directory"));
        let error = error.with_operation(Operation::SetLayer).with_layer(role);
        let is_unfit =
            error.kernel().iter().any(|line| line.contains("not supported") || line.contains("read-only"));
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
        match roles(self).find(|(other, _)| *other == role) {
            Some((_, Layer::Path(path))) => error.with_argument(path),
            _ => error,
        }
    }
}

/// One mount(2) call's worth of overlay: the cwd to call it from, and its option bytes.
#[derive(Debug)]
pub(crate) struct MountData {
    pub(crate) cwd: Cwd,
    /// The directory that `cwd` is, as it was written.
    pub(crate) base: PathBuf,
    pub(crate) options: OsString,
}

/// Where mount(2) is called from.
#[derive(Debug)]
pub(crate) enum Cwd {
    /// The base directory as it is.
    Host(OwnedFd),
    /// Its clone, which has no mounts for the kernel to walk.
    Clone(Base),
}

impl Cwd {
    pub(crate) fn strategy(&self) -> &'static str {
        match self {
            Self::Host(_) => "mount(2) from the layers' directory",
            Self::Clone(_) => "mount(2) from a detached clone of the layers' directory",
        }
    }
}

impl AsFd for Cwd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Host(fd) => fd.as_fd(),
            Self::Clone(base) => base.clone_root(),
        }
    }
}

fn is_plain_word(word: &Word) -> bool {
    let plain = |text: &OsString| !text.as_bytes().iter().any(|b| b",\\\"".contains(b));
    plain(&word.key) && word.value.as_ref().is_none_or(plain)
}

fn or_dot(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}
