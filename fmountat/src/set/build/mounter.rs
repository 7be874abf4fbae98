// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Mounter`: the handle for many mounts, with caches for the next one.

use crate::diagnose::diagnose;
use crate::error::{Error, Operation, Result, Syscall};
use crate::kinds::clones::Clones;
use crate::kinds::overlay::Overlay;
use crate::kinds::overlay::check::check_writable;
use crate::kinds::overlay::cloned_dir::Cwd;
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
use crate::vfs::target::Target;
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::path::Path;
use std::sync::{Mutex, Weak};

/// The name of the operation in trace events.
const MOUNT_OVERLAY: &str = "mount an overlay on a target";

/// Mounts, and caches what later mounts need. It keeps a [`PrivateCwd`] for mount(2),
/// and a detached clone of each directory that contains layers. The clone contains no other mounts,
/// so the kernel has none to examine.
///
/// A clone keeps the super block of its file system in use, but no mount: umount(8) never fails
/// with EBUSY because of it. Dropping the handle dissolves the clones and ends the thread. The
/// handle belongs to the mount namespace in which it was created.
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
    pub(crate) clones: Clones,
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
        let (clones, namespaces) = Default::default();
        Self { features, clones, namespaces, journal: Journal::standard(), cwd, own: None }
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
    /// One mount(2) does it if the options fit mount(2)'s page and every layer is below one
    /// directory. On a file system with many mounts, mount(2) runs from a detached clone of that
    /// directory, provided that no symbolic link or mount point is on the path to a layer. In all
    /// other cases the overlay is built detached and attached. This is also done after a failed
    /// mount(2), to find the reason.
    ///
    /// # Errors
    /// Those of [`overlay_tree`](Self::overlay_tree), [`Target::open`] and [`Tree::attach`].
    pub fn overlay(&self, dir: impl AsFd, overlay: &Overlay, target: impl AsRef<Path>) -> Result<()> {
        let (dir, target) = (dir.as_fd(), target.as_ref());
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
        overlay.mount_detached(&self.make(dir, attr)).map_err(|error| {
            match self.need_mount_interface(false) {
                Err(refused) if error.raw_errno() == Some(Errno::NOSYS) => refused,
                _ => of_overlay(error, dir, overlay),
            }
        })
    }

    /// Returns the parameters common to all detached overlays of this handle.
    pub(crate) fn make<'a>(&'a self, dir: BorrowedFd<'a>, attr: &'a MountAttr) -> Make<'a> {
        let (clones, features) = (&self.clones, &self.features);
        Make { dir, clones, features, source: None, flags: &[], attr, userns: None, is_prediction: false }
    }

    /// Tries one mount(2), the fastest strategy. Returns false if it cannot serve, or if mount(2)
    /// failed without a change.
    fn overlay_by_mount(&self, dir: BorrowedFd<'_>, overlay: &Overlay, target: &Path) -> Result<bool> {
        let Some(cwd) = &self.cwd else {
            return Ok(false);
        };
        let Some(data) = overlay.mount_data(dir, &self.clones, &self.features)? else {
            return Ok(false);
        };
        // From the host's own directory, mount(2) resolves the target as the user wrote it. From a
        // clone, or if the target starts in another directory, mount(2) gets the descriptor's name
        // in /proc.
        let by_name = match &data.cwd {
            Cwd::Host(_) if !target.is_absolute() => target.strip_prefix(&data.base).ok(),
            _ => Some(target).filter(|target| target.is_absolute()),
        };
        let opened = if by_name.is_some() { None } else { Some(Target::open(dir, target)?) };
        let by_descriptor =
            opened.as_ref().map(|target| name_for(Operation::Attach, target.as_fd())).transpose()?;
        let name = by_name.or(by_descriptor.as_deref()).unwrap_or(target);
        let Ok(call) = MountCall::new("overlay", name, "overlay", MountFlags::empty(), &data.options) else {
            return Ok(false);
        };
        if let Err(error) = cwd.run(data.cwd.as_fd(), call) {
            trace::fallback(MOUNT_OVERLAY, data.cwd.strategy(), error.raw_errno());
            return Ok(false);
        }
        trace::strategy(MOUNT_OVERLAY, data.cwd.strategy());
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
