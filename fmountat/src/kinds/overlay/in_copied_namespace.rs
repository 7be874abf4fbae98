// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mounts an overlay with mount(2) in a copy of the caller's mount namespace and returns a detached
//! copy: for kernels without `lowerdir+` \[before Linux 6.7\].

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::kinds::overlay::check::check_writable;
use crate::kinds::overlay::common::open_directory;
use crate::kinds::overlay::definition::{Layer, Overlay};
use crate::kinds::overlay::layer_files::Opened;
use crate::kinds::overlay::layers::map_layers;
use crate::kinds::overlay::params::Make;
use crate::strategy::{GiveLayers, MapLayers, Strategies};
use crate::sys::ms::MS_RDONLY;
use crate::sys::procfs;
use crate::vfs::copied_namespace::in_copied_namespace_from;
use crate::vfs::features::Features;
use crate::vfs::flags::ms_of_superblock;
use crate::vfs::hidden_place::HiddenPlace;
use crate::vfs::identity::{is_attached_here, is_same_file};
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::CWD;
use rustix::io::Errno;
use std::path::Path;
use std::sync::Arc;

/// Refuses to map the layers' owners if no strategy supports it.
///
/// # Errors
/// [`ErrorKind::Unsupported`].
pub(crate) fn check_mapped_layers(features: &Features) -> Result<()> {
    if features.best::<MapLayers>().is_some() {
        return Ok(());
    }
    procfs::need(Operation::MapIds)?;
    let (reason, hint) = match features.overlay_mapped_layers {
        true => (
            "id-mapped layers need a private mount namespace on this kernel, and a seccomp filter forbids \
             unshare(2)",
            "use Linux 6.15 or newer, or allow unshare in the seccomp profile",
        ),
        false => ("overlay on this kernel does not support id-mapped layers", "use Linux 5.19 or newer"),
    };
    Err(Error::new(ErrorKind::Unsupported, Operation::MapIds, reason).with_hint(hint))
}

/// Refuses an overlay that needs a private mount namespace if none can be created.
///
/// # Errors
/// [`ErrorKind::Unsupported`].
pub(crate) fn check_private_namespace(features: &Features) -> Result<()> {
    if features.private_namespace {
        return Ok(());
    }
    procfs::need(Operation::Create)?;
    let reason = "overlay layers need a private mount namespace on this kernel, and none can be created";
    Err(Error::new(ErrorKind::Unsupported, Operation::Create, reason)
        .with_argument("overlay")
        .with_hint("use Linux 6.7 or newer, or allow unshare in the seccomp profile"))
}

impl Overlay {
    /// Mounts the overlay in a copied mount namespace and returns a detached copy.
    pub(crate) fn mount_in_copied_namespace(&self, make: &Make<'_>) -> Result<Tree> {
        check_private_namespace(make.features)?;
        GiveLayers::ByMount.record();
        if make.userns.is_some() {
            MapLayers::Attached.record();
        }
        let flags = make.flags.iter().fold(0, |all, name| all | ms_of_superblock(name));
        let tree = in_copied_namespace_from(make.dir, |dir| {
            let make = Make { dir, ..*make };
            let overlay = self.reopened_here()?;
            let mut layers = overlay.open_layers(&make)?;
            if let Some(userns) = make.userns {
                layers = map_layers(layers, userns)?;
            }
            // A mapped clone can be a layer only if it is mounted in this namespace.
            let mapped = layers.iter().filter_map(|(_, layer)| match layer {
                Opened::Mapped(tree) => Some(tree.root()),
                Opened::Fd(_) | Opened::InView { .. } => None,
            });
            mapped.into_iter().try_for_each(HiddenPlace::with)?;
            let place = HiddenPlace::new(true)?;
            overlay.mount_opened(&make, &layers, &place.name()?, flags).map_err(|error| {
                // mount(2) does not report the refused option; a context does \[Linux 6.5\].
                let can_retry = make.features.new_mount_api && error.call().is_some();
                can_retry
                    .then(|| overlay.configure(&make, &layers, |_| Ok(())).err())
                    .flatten()
                    .unwrap_or(error)
            })?;
            let mounted = place.mounted()?;
            if overlay.is_writable() && flags & MS_RDONLY == 0 {
                check_writable(mounted.as_fd(), &overlay)?;
            }
            Tree::clone_of(&mounted, "", false)
        })?;
        tree.set_attr(&make.attr.after_ms_flags(make.flags), false)?;
        Ok(tree)
    }

    /// Returns the overlay with its descriptors reopened in this thread's mount namespace.
    fn reopened_here(&self) -> Result<Self> {
        let mut overlay = self.clone();
        let lowers = overlay.lowers.iter_mut().chain(&mut overlay.data_only);
        for layer in lowers.chain(&mut overlay.upper).chain(&mut overlay.work) {
            if let Layer::Fd(fd) = layer {
                *layer = Layer::Fd(Arc::new(reopen_here(fd.as_fd())?));
            }
        }
        Ok(overlay)
    }
}

/// Opens the descriptor's directory by its path in this thread's mount namespace.
///
/// # Errors
/// [`ErrorKind::Unsupported`] if no path refers to it; EMFILE, ENFILE, ENOMEM.
fn reopen_here(fd: BorrowedFd<'_>) -> Result<OwnedFd> {
    if is_attached_here(fd)? {
        return rustix::io::fcntl_dupfd_cloexec(fd, 0)
            .map_err(|e| Error::sys(Operation::OpenLayer, Syscall::Fcntl, e));
    }
    let path = procfs::path_for(Operation::OpenLayer, fd)?;
    // `/..` resolves to the mount on top of `/`: without proc, our hidden directory.
    let covering = Path::new("/..").join(path.strip_prefix("/").unwrap_or(&path));
    for name in [path.as_path(), &covering] {
        match open_directory(CWD, name) {
            Ok(here) if is_same_file(here.as_fd(), fd).unwrap_or(false) => return Ok(here),
            Err(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => {
                return Err(Error::sys(Operation::OpenLayer, Syscall::Openat, errno).with_argument(name));
            }
            _ => {}
        }
    }
    let reason = "on this kernel a layer given as a file descriptor must be reachable by its path";
    Err(Error::new(ErrorKind::Unsupported, Operation::OpenLayer, reason)
        .with_argument(&path)
        .with_hint("use Linux 6.7 or newer"))
}
