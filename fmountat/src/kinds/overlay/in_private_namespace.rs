// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A detached overlay for kernels that take no layer by itself (`lowerdir+` \[Linux 6.7\]), or none that lies in a detached
//! tree \[6.15\], which a mapped one does: by mount(2) in a private namespace, and copied out of it.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::kinds::overlay::check::check_writable;
use crate::kinds::overlay::definition::{Layer, Overlay};
use crate::kinds::overlay::layer_files::{OpenLayers, Opened};
use crate::kinds::overlay::layers::LayerBases;
use crate::kinds::overlay::params::Make;
use crate::strategy::{GiveLayers, MapLayers, Strategies};
use crate::sys::ms::MS_RDONLY;
use crate::sys::procfs;
use crate::vfs::features::Features;
use crate::vfs::flags::ms_of_superblock;
use crate::vfs::hidden::HiddenPlace;
use crate::vfs::identity::is_attached_here;
use crate::vfs::private_namespace::in_private_namespace_from;
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags};
use rustix::io::Errno;
use std::path::Path;
use std::sync::Arc;

/// Refuses to map the layers' owners where no way can; asked before an overlay with a mapping is made.
pub(crate) fn check_mapped_layers(features: &Features) -> Result<()> {
    if features.best::<MapLayers>().is_some() {
        return Ok(());
    }
    let error = |reason| Error::new(ErrorKind::Unsupported, Operation::MapIds, reason);
    procfs::need(Operation::MapIds)?;
    Err(match features.overlay_mapped_layers {
        true => error(
            "mapped layers are put into a private mount namespace here, and a filter forbids unshare(2)",
        )
        .with_hint("it needs Linux 6.15, or a seccomp profile that allows unshare"),
        false => error("this kernel's overlay takes no id-mapped layers").with_hint("it needs Linux 5.19"),
    })
}

/// Refuses an overlay that needs a private mount namespace where none can be made.
pub(crate) fn check_elsewhere(features: &Features) -> Result<()> {
    if features.private_namespace {
        return Ok(());
    }
    procfs::need(Operation::Create)?;
    let reason = "this kernel takes an overlay's layers by mount(2) alone, which needs a private mount namespace, and none can be made";
    Err(Error::new(ErrorKind::Unsupported, Operation::Create, reason)
        .with_argument("overlay")
        .with_hint("it needs Linux 6.7, or a seccomp profile that allows unshare"))
}

impl Overlay {
    pub(crate) fn mount_elsewhere(&self, make: &Make<'_>) -> Result<Tree> {
        check_elsewhere(make.features)?;
        let flags = make.flags.iter().fold(0, |all, name| all | ms_of_superblock(name));
        let tree = self.mount_in_namespace(make, flags)?;
        tree.set_attr(&make.attr.after_ms_flags(make.flags), false)?;
        Ok(tree)
    }

    fn mount_in_namespace(&self, make: &Make<'_>, flags: u64) -> Result<Tree> {
        GiveLayers::ByMount.record();
        if make.userns.is_some() {
            MapLayers::PrivateNamespace.record();
        }
        in_private_namespace_from(make.dir, |dir| {
            let make = Make { dir, ..*make };
            let overlay = self.as_seen_here()?;
            let places = LayerBases::of(&overlay, &make);
            let layers = overlay.open_layers(&make, &places)?;
            attach_mapped(&places, &layers)?;
            let place = HiddenPlace::new(true)?;
            let name = place.name()?;
            let done = match overlay.mount_by_paths(&make, &layers, &name, flags) {
                Ok(false) => overlay.mount_opened(&make, &layers, &name, flags),
                done => done.map(drop),
            };
            done.map_err(|error| {
                // mount(2) does not say which option it refused, and a context does \[Linux 6.5\].
                let can_ask = make.features.new_mount_api && error.call().is_some();
                can_ask.then(|| overlay.configure(&make, &layers).err()).flatten().unwrap_or(error)
            })?;
            let mounted = place.mounted()?;
            if overlay.is_writable() && flags & MS_RDONLY == 0 {
                check_writable(mounted.as_fd(), overlay.work.as_ref())?;
            }
            Tree::clone_of(&mounted, "", false)
        })
    }

    /// The overlay with descriptors that are good in this thread's namespace.
    fn as_seen_here(&self) -> Result<Self> {
        let mut overlay = self.clone();
        let lowers = overlay.lowers.iter_mut().chain(&mut overlay.data_only);
        for layer in lowers.chain(&mut overlay.upper).chain(&mut overlay.work) {
            if let Layer::Fd(fd) = layer {
                *layer = Layer::Fd(Arc::new(seen_here(fd.as_fd())?));
            }
        }
        Ok(overlay)
    }
}

/// The directory that the descriptor is on, found by its name in this thread's namespace.
fn seen_here(fd: BorrowedFd<'_>) -> Result<OwnedFd> {
    if is_attached_here(fd)? {
        return rustix::io::fcntl_dupfd_cloexec(fd, 0)
            .map_err(|e| Error::sys(Operation::OpenLayer, Syscall::Fcntl, e));
    }
    let path = procfs::path_for(Operation::OpenLayer, fd)?;
    let same = |a: BorrowedFd<'_>, b: BorrowedFd<'_>| {
        let place = |fd| {
            let stat = rustix::fs::statx(fd, "", AtFlags::EMPTY_PATH, StatxFlags::INO);
            stat.map(|s| (s.stx_dev_major, s.stx_dev_minor, s.stx_ino))
        };
        matches!((place(a), place(b)), (Ok(a), Ok(b)) if a == b)
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    // `/..` is `/` with what is mounted over it, where a store of ours is if there is no proc.
    let covering = Path::new("/..").join(path.strip_prefix("/").unwrap_or(&path));
    for name in [path.as_path(), &covering] {
        match rustix::fs::openat(CWD, name, flags, Mode::empty()) {
            Ok(here) if same(here.as_fd(), fd) => return Ok(here),
            Err(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => {
                return Err(Error::sys(Operation::OpenLayer, Syscall::Openat, errno).with_argument(name));
            }
            _ => {}
        }
    }
    let reason = "on this kernel a layer given as a descriptor must be seen by its path";
    Err(Error::new(ErrorKind::Unsupported, Operation::OpenLayer, reason)
        .with_argument(&path)
        .with_hint("it needs Linux 6.7"))
}

/// Mapped clones are mounted, over one another: as part of this thread's namespace they may hold layers.
fn attach_mapped(places: &LayerBases<'_>, layers: &OpenLayers) -> Result<()> {
    let single = layers.iter().filter_map(|(_, layer)| match layer {
        Opened::Mapped(tree) => Some(tree.root()),
        _ => None,
    });
    for root in places.mapped().into_iter().chain(single) {
        HiddenPlace::with(root)?;
    }
    Ok(())
}
