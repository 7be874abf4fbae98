// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Mounter`: the handle for many mounts, with caches for the next one.

use crate::diagnose::diagnose;
use crate::error::{Error, Operation, Result, Syscall};
use crate::kinds::overlay::Overlay;
use crate::kinds::overlay::check::check_writable;
use crate::kinds::overlay::params::Make;
use crate::set::build::failure::of_overlay;
use crate::set::journal::Journal;
use crate::sys::procfs::name_for;
use crate::trace;
use crate::vfs::attr::MountAttr;
use crate::vfs::features::Features;
use crate::vfs::hidden_place::HiddenDirectory;
use crate::vfs::idmap::UserNamespaces;
use crate::vfs::mount_call::{MountCall, MountFlags};
use crate::vfs::private_cwd::PrivateCwd;
use crate::vfs::private_namespace::PrivateNamespace;
use crate::vfs::target::Target;
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};

/// The name of the operation in trace events.
const MOUNT_OVERLAY: &str = "mount an overlay on a target";

const BY_MOUNT: &str = "mount(2) with the paths of the layers";

/// Mounts, and keeps what later mounts need: a [`PrivateCwd`] for mount(2), and a nearly empty
/// mount namespace of its own.
///
/// For each overlay layer and each bind the kernel examines all mounts below the source's mount. On
/// a host with many mounts the handle therefore creates overlays and binds in its own namespace.
/// The handle creates this namespace when the saved time exceeds the cost. In the namespace, it
/// binds the file systems of the sources and layers, each at its own path and without the mounts
/// below. A bind keeps the super block of the file system in use, but not the host's mount:
/// umount(8) of that mount does not fail with EBUSY. Dropping the handle dissolves the namespace
/// and ends the thread. The handle belongs to the mount namespace in which it was created.
///
/// ```no_run
/// use fmountat::overlay::Overlay;
/// use fmountat::Mounter;
/// let mounter = Mounter::new()?; // for many mounts; `Mounter::detached()` for a few
/// let snapshots = std::fs::File::open("/var/lib/snapshots")?;
/// mounter.overlay(&snapshots, &Overlay::new().lower("1/fs").upper("2/fs", "2/work"), "2/merged")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Mounter {
    pub(crate) features: Features,
    pub(crate) private: Arc<PrivateNamespace>,
    pub(crate) namespaces: UserNamespaces,
    pub(crate) journal: Journal,
    cwd: Option<PrivateCwd>,
    /// Set for a process that is alone in its mount namespace: the directory in which it mounts
    /// trees that cannot be assembled detached.
    pub(crate) own: Option<Mutex<Weak<HiddenDirectory>>>,
}

impl Mounter {
    /// Creates a handle with a worker thread, the fastest strategy: see [`PrivateCwd::worker`].
    ///
    /// # Errors
    /// Those of [`PrivateCwd::worker`].
    pub fn new() -> Result<Self> {
        Ok(Self::of(Features::get(), Some(PrivateCwd::worker()?)))
    }

    /// Creates a handle without a thread. Every mount is built detached and then attached.
    #[must_use]
    pub fn detached() -> Self {
        Self::of(Features::get(), None)
    }

    /// Creates a handle with the given features and the given cwd for mount(2). Tests reach every
    /// strategy on one kernel with it.
    #[cfg(feature = "testing")]
    #[doc(hidden)]
    #[must_use]
    pub fn with(features: Features, cwd: Option<PrivateCwd>) -> Self {
        Self::of(features, cwd)
    }

    fn of(features: Features, cwd: Option<PrivateCwd>) -> Self {
        let (private, namespaces) = Default::default();
        Self { features, private, namespaces, journal: Journal::standard(), cwd, own: None }
    }

    /// Writes the journal of step-by-step mounts to `journal`. The default is
    /// [`Journal::standard`].
    #[must_use]
    pub fn with_journal(self, journal: Journal) -> Self {
        Self { journal, ..self }
    }

    /// Never starts a thread, for a program that must stay single-threaded. A set that would need a
    /// private mount namespace is mounted step by step, or refused.
    #[must_use]
    pub fn without_threads(mut self) -> Self {
        self.features.private_namespace = false;
        self.cwd = None;
        self
    }

    /// Mounts in the mount namespace of the calling process where a set cannot be built detached.
    /// The process must be alone in its mount namespace, such as the first child after
    /// [`unshare_mount_and_pid`](crate::vfs::own_namespace::unshare_mount_and_pid), which is PID 1
    /// of the new pid namespace. (In the caller itself no child can probe the kernel's features: it
    /// would become PID 1.)
    ///
    /// Where the kernel cannot mount into a detached tree, this affects roots to be
    /// [entered](crate::DetachedSet::enter) ([`build`](Self::build) without a target,
    /// [`begin`](Self::begin)) and [`ephemeral_uppers`](Self::ephemeral_uppers). They are then
    /// mounted in that namespace, where no path leads to them. A namespace whose mounts propagate
    /// to others is refused ([`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported)).
    ///
    /// Dropping the set unmounts it, and so does a failure. If another process has mounted on the
    /// directory since (/proc/tty/ldisc by default), that mount is left in place.
    #[must_use]
    pub fn in_own_namespace(self) -> Self {
        Self { own: Some(Mutex::default()), ..self }
    }

    /// Mounts a lone overlay on `target`. `target` and the layers start at `dir`.
    ///
    /// Calls mount(2) once if every layer has an absolute path, the options fit mount(2)'s page,
    /// and few mounts are on the layers' file system. Also calls mount(2) if a seccomp filter
    /// forbids fsopen(2). In all other cases, and after a failed mount(2), builds the overlay
    /// detached and attaches it; after a failure, this finds the reason.
    ///
    /// # Errors
    /// Those of [`overlay_tree`](Self::overlay_tree), [`Target::open`] and [`Tree::attach`].
    pub fn overlay(&self, dir: impl AsFd, overlay: &Overlay, target: impl AsRef<Path>) -> Result<()> {
        let (dir, target) = (dir.as_fd(), target.as_ref());
        overlay.need_effect()?;
        if self.overlay_by_mount(dir, overlay, target)? {
            return Ok(());
        }
        let target = Target::open(dir, target)?;
        trace::strategy(MOUNT_OVERLAY, "detached, then attached");
        self.overlay_tree(dir, overlay, &MountAttr::default())?
            .attach(&target)
            .map_err(|e| diagnose(e.into()))?;
        Ok(())
    }

    /// Returns a detached overlay. Its layers start at `dir`.
    ///
    /// # Errors
    /// - [`ErrorKind::OptionConflict`](crate::ErrorKind::OptionConflict),
    ///   [`ErrorKind::TooManyLayers`](crate::ErrorKind::TooManyLayers): before any system call;
    /// - [`ErrorKind::LayerMissing`](crate::ErrorKind::LayerMissing),
    ///   [`ErrorKind::LayerNotDirectory`](crate::ErrorKind::LayerNotDirectory): with the number and
    ///   path of the layer;
    /// - [`ErrorKind::UpperInUse`](crate::ErrorKind::UpperInUse),
    ///   [`ErrorKind::UpperWork`](crate::ErrorKind::UpperWork),
    ///   [`ErrorKind::WorkUnusable`](crate::ErrorKind::WorkUnusable);
    /// - [`ErrorKind::UnknownOption`](crate::ErrorKind::UnknownOption),
    ///   [`ErrorKind::OptionValue`](crate::ErrorKind::OptionValue): with the kernel's message.
    pub fn overlay_tree(&self, dir: impl AsFd, overlay: &Overlay, attr: &MountAttr) -> Result<Tree> {
        let dir = dir.as_fd();
        overlay.need_effect()?;
        overlay.mount_detached(&self.make(dir, attr)).map_err(|error| {
            match self.need_mount_interface(false) {
                Err(refused) if error.raw_errno() == Some(Errno::NOSYS) => refused,
                _ => of_overlay(error, dir, overlay),
            }
        })
    }

    /// Returns the parameters common to all detached overlays of this handle.
    pub(crate) fn make<'a>(&'a self, dir: BorrowedFd<'a>, attr: &'a MountAttr) -> Make<'a> {
        let (private, features) = (&self.private, &self.features);
        Make { dir, private, features, source: None, flags: &[], attr, userns: None, is_prediction: false }
    }

    /// Tries one mount(2), the fastest strategy. Returns false if it cannot serve, or if mount(2)
    /// failed without a change.
    fn overlay_by_mount(&self, dir: BorrowedFd<'_>, overlay: &Overlay, target: &Path) -> Result<bool> {
        let Some(cwd) = &self.cwd else {
            return Ok(false);
        };
        let attr = MountAttr::default();
        let make = Make { source: Some(OsStr::new("overlay")), ..self.make(dir, &attr) };
        match overlay.mount_data(&make)? {
            Some(options) => {
                let call = MountCall::new("overlay", target, "overlay", MountFlags::empty(), &options)?;
                if let Err(error) = cwd.run(dir, call) {
                    trace::fallback(MOUNT_OVERLAY, BY_MOUNT, error.raw_errno());
                    return Ok(false);
                }
            }
            None if self.features.new_mount_api => return Ok(false),
            None => {
                let target = Target::open(dir, target)?;
                let name = name_for(Operation::Attach, target.as_fd())?;
                overlay.mount_opened(&make, &overlay.open_layers(&make)?, &name, 0)?;
            }
        }
        trace::strategy(MOUNT_OVERLAY, BY_MOUNT);
        if overlay.is_writable() {
            check_writable_at(dir, overlay, target)?;
        }
        Ok(true)
    }
}

/// Unmounts an overlay that should be writable but that the kernel mounted read-only.
fn check_writable_at(dir: BorrowedFd<'_>, overlay: &Overlay, target: &Path) -> Result<()> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let mounted = rustix::fs::openat(dir, target, flags, Mode::empty())
        .map_err(|e| Error::sys(Operation::LookAtOverlay, Syscall::Openat, e).with_argument(target))?;
    let done = check_writable(mounted.as_fd(), overlay);
    if done.is_err() {
        crate::vfs::detach::detach_fd(mounted.as_fd())?;
    }
    done
}
