// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two ways to a mounted overlay: detached by the file-system context, or option bytes for mount(2).

use super::base::{Base, Bases};
use super::check::{check_work, check_writable, explain, read_only};
use super::in_use::check_not_in_use;
use super::layers::{Found, LayerBases, Opened, Role, check_counts, open, roles};
use super::{Layer, Overlay};
use crate::error::{Error, ErrorKind, Result};
use crate::kinds::filesystem::Word;
use crate::vfs::attr::MountAttr;
use crate::vfs::context::FsContext;
use crate::vfs::cwd::MOUNT_DATA_MAX;
use crate::vfs::features::Features;
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Every layer open, with its role.
pub(crate) type OpenLayers = Vec<(Role, Opened)>;

impl Overlay {
    /// Mounts it detached, each layer given to the kernel as a descriptor. `flags` are the superblock's (`ro`, ...).
    pub(crate) fn mount_detached(
        &self,
        dir: BorrowedFd<'_>,
        bases: &Bases,
        features: &Features,
        source: Option<&OsStr>,
        flags: &[&'static str],
        attr: &MountAttr,
    ) -> Result<Tree> {
        check_counts(self)?;
        let places = LayerBases::of(self, bases, dir);
        let layers = open_all(&places.find_all(self)?, dir)?;
        self.check_written(&layers)?;
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

    /// The option bytes for mount(2) with the cwd in the one base's clone, if that serves: one base, plain bytes in
    /// every path, and a page for all of it.
    pub(crate) fn mount_data(
        &self,
        dir: BorrowedFd<'_>,
        bases: &Bases,
        features: &Features,
    ) -> Result<Option<MountData>> {
        check_counts(self)?;
        if roles_have_fd(self) || !self.words.iter().all(is_plain_word) {
            return Ok(None);
        }
        let places = LayerBases::of(self, bases, dir);
        if places.only().is_none() {
            return Ok(None);
        }
        let found = places.find_all(self)?;
        let Some(mut options) = layer_bytes(&found) else {
            return Ok(None);
        };
        if self.is_writable() {
            // The lowest layers' descriptors are not needed, those that the checks look at are.
            let looked_at = |role: &Role| !matches!(role, Role::Data(_) | Role::Lower(2..));
            let some = found.iter().filter(|(role, _)| looked_at(role));
            let some = some.map(|(role, place)| Ok((*role, open(place, *role, dir)?)));
            self.check_written(&some.collect::<Result<OpenLayers>>()?)?;
        }
        for word in &self.words {
            options.push(b',');
            options.extend_from_slice(word.key.as_bytes());
            if let Some(value) = &word.value {
                options.push(b'=');
                options.extend_from_slice(value.as_bytes());
            }
        }
        if self.needs_userxattr(features) {
            options.extend_from_slice(b",userxattr");
        }
        if options.len() > MOUNT_DATA_MAX {
            return Ok(None);
        }
        drop(found);
        let options = OsString::from_vec(options);
        Ok(places.into_only().map(|base| MountData { base, options }))
    }

    /// What must hold before the kernel may write to upper and work.
    fn check_written(&self, layers: &OpenLayers) -> Result<()> {
        check_work(self, layers)?;
        if !self.has_word("index") {
            check_not_in_use(layers, self.upper.as_ref())?;
        }
        Ok(())
    }

    fn layer_error(&self, error: Error, role: Role) -> Error {
        let is_file = error.kernel().iter().any(|line| line.contains("is not a directory"));
        let error = error.with_step(format!("set {}", role.words()));
        let error = match is_file {
            true => error.with_kind(ErrorKind::LayerNotDirectory).because("a layer must be a directory"),
            false => error,
        };
        let same = |other: Role| other.words() == role.words();
        match roles(self).find(|(other, _)| same(*other)) {
            Some((_, Layer::Path(path))) => error.arg(path),
            _ => error,
        }
    }

    /// The error for an overlay that came out read-only without being asked to.
    pub(crate) fn read_only_error(&self) -> Error {
        read_only(self.work.as_ref())
    }
}

/// One mount(2) call's worth of overlay: from the clone of `base`, with these option bytes.
#[derive(Debug)]
pub(crate) struct MountData {
    pub(crate) base: Base,
    pub(crate) options: OsString,
}

/// `lowerdir=...,upperdir=...,workdir=...` of paths below the clone; `None` if one lies elsewhere or needs an escape.
fn layer_bytes(found: &[(Role, Found<'_>)]) -> Option<Vec<u8>> {
    let mut bytes: Vec<u8> = Vec::with_capacity(512);
    for (at, (role, place)) in found.iter().enumerate() {
        let Found::Below(_, path) = place else {
            return None;
        };
        let path = path.as_os_str().as_bytes();
        if path.iter().any(|b| b",:\\\"".contains(b)) {
            return None;
        }
        let lead: &[u8] = match role {
            Role::Lower(_) if at == 0 => b"lowerdir=",
            Role::Lower(_) => b":",
            Role::Data(_) => b"::",
            Role::Upper => b",upperdir=",
            Role::Work => b",workdir=",
        };
        bytes.extend_from_slice(lead);
        bytes.extend_from_slice(path);
    }
    Some(bytes)
}

fn roles_have_fd(overlay: &Overlay) -> bool {
    roles(overlay).any(|(_, layer)| matches!(layer, Layer::Fd(_)))
}

fn is_plain_word(word: &Word) -> bool {
    let plain = |text: &OsString| !text.as_bytes().iter().any(|b| b",\\\"".contains(b));
    plain(&word.key) && word.value.as_ref().is_none_or(plain)
}

fn open_all(found: &[(Role, Found<'_>)], dir: BorrowedFd<'_>) -> Result<OpenLayers> {
    found.iter().map(|(role, place)| Ok((*role, open(place, *role, dir)?))).collect()
}

/// Gives the kernel one layer. A tree that comes back must live until the file system is created.
fn set_layer(
    context: &mut FsContext,
    role: Role,
    layer: BorrowedFd<'_>,
    features: &Features,
) -> Result<Option<Tree>> {
    let key = match role {
        Role::Lower(_) => "lowerdir+",
        Role::Data(_) => "datadir+",
        Role::Upper => "upperdir",
        Role::Work => "workdir",
    };
    let mut set = |layer: BorrowedFd<'_>| match features.overlay_layer_fds {
        true => context.set_fd(key, layer),
        false => context.set_string(key, format!("/proc/self/fd/{}", layer.as_raw_fd())),
    };
    match set(layer) {
        Err(error) if error.raw_errno() == Some(Errno::NAMETOOLONG) => {
            // The kernel writes the layer's path down, in a page: the root of a clone of its own has the path `/`.
            let clone = Tree::clone_of(layer, "", false)?;
            set(clone.root())?;
            Ok(Some(clone))
        }
        other => other.map(|()| None),
    }
}
