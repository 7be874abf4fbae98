// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Mounter`: the handle that mounts many times, keeping what makes the next mount cheap.

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
use crate::vfs::hidden::HiddenDirectory;
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

/// The operation in events.
const MOUNT_OVERLAY: &str = "mount an overlay on a target";

/// Mounts, and keeps between mounts what makes them cheap: a [`PrivateCwd`] for mount(2), and a detached clone of each
/// directory that layers lie in, below which the kernel has no other mounts to look at.
///
/// A clone keeps its file system's super block in use (never a mount: nothing is busy for umount(8)). Dropping the
/// handle dissolves the clones and ends the thread. It belongs to the mount namespace it was made in.
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
    /// For a process that is alone in its mount namespace: where it mounts what can't be detached.
    pub(crate) own: Option<Mutex<Weak<HiddenDirectory>>>,
}

impl Mounter {
    /// With a worker thread for the cheapest way: see [`PrivateCwd::worker`].
    ///
    /// # Errors
    /// Those of [`PrivateCwd::worker`].
    pub fn new() -> Result<Self> {
        Ok(Self::of(Features::get(), Some(PrivateCwd::worker()?)))
    }

    /// Without a thread: everything is built detached and published.
    #[must_use]
    pub fn detached() -> Self {
        Self::of(Features::get(), None)
    }

    /// With features and a way to another cwd of the caller's choice: tests reach every strategy on one kernel.
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

    /// The same with notes kept there of what is mounted step by step; without this they are where
    /// [`Journal::standard`] says.
    #[must_use]
    pub fn with_journal(self, journal: Journal) -> Self {
        Self { journal, ..self }
    }

    /// The same without any thread of its own, for a program that must have one alone: what is put together in a private mount
    /// namespace elsewhere goes step by step, or is refused.
    #[must_use]
    pub fn without_threads(mut self) -> Self {
        self.features.private_namespace = false;
        self.cwd = None;
        self
    }

    /// The same for a process that is alone in its mount namespace, as is the first child after
    /// [`unshare_mount_and_pid`](crate::vfs::own_namespace::unshare_mount_and_pid), which is process 1 of the new pid namespace (in the caller itself
    /// no feature can be asked for by a child): where the kernel can't mount into a detached tree, roots to be
    /// [entered](crate::DetachedSet::enter) ([`build`](Self::build) without a target, [`begin`](Self::begin)) and [`ephemeral_uppers`](Self::ephemeral_uppers)
    /// are then mounted in that namespace, where no path leads to them. A namespace whose mounts spread to others is refused ([`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported)).
    ///
    /// Dropping what was built, and a failure, unmount it again. What somebody has mounted on /proc/tty/ldisc since, where it is
    /// hidden, stays.
    #[must_use]
    pub fn in_own_namespace(self) -> Self {
        Self { own: Some(Mutex::default()), ..self }
    }

    /// Mounts a lone overlay on `target`; both it and the layers start at `dir`.
    ///
    /// Where the options fit mount(2)'s page and every layer lies below one directory, that is one mount(2) from there; if
    /// the file system has many mounts, from a detached clone of the directory, provided no symbolic link or mount
    /// point is on the way to a layer. Otherwise, and again to find the reason when that fails, the overlay is built
    /// detached and attached.
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

    /// A detached overlay; its layers start at `dir`.
    ///
    /// # Errors
    /// - [`ErrorKind::OptionConflict`](crate::ErrorKind::OptionConflict), [`ErrorKind::TooManyLayers`](crate::ErrorKind::TooManyLayers): before any system call;
    /// - [`ErrorKind::LayerMissing`](crate::ErrorKind::LayerMissing), [`ErrorKind::LayerNotDirectory`](crate::ErrorKind::LayerNotDirectory), naming the layer by number and path;
    /// - [`ErrorKind::UpperInUse`](crate::ErrorKind::UpperInUse), [`ErrorKind::UpperWork`](crate::ErrorKind::UpperWork), [`ErrorKind::WorkUnusable`](crate::ErrorKind::WorkUnusable);
    /// - [`ErrorKind::UnknownOption`](crate::ErrorKind::UnknownOption), [`ErrorKind::OptionValue`](crate::ErrorKind::OptionValue), with the kernel's words.
    pub fn overlay_tree(&self, dir: impl AsFd, overlay: &Overlay, attr: &MountAttr) -> Result<Tree> {
        let dir = dir.as_fd();
        overlay.mount_detached(&self.make(dir, attr)).map_err(|error| {
            match self.need_mount_interface(false) {
                Err(refused) if error.raw_errno() == Some(Errno::NOSYS) => refused,
                _ => of_overlay(error, dir, overlay),
            }
        })
    }

    /// What every detached overlay of this handle is made with.
    pub(crate) fn make<'a>(&'a self, dir: BorrowedFd<'a>, attr: &'a MountAttr) -> Make<'a> {
        let (clones, features) = (&self.clones, &self.features);
        Make { dir, clones, features, source: None, flags: &[], attr, userns: None, is_prediction: false }
    }

    /// The cheapest way, if it serves: false means that it doesn't, or failed without a change.
    fn overlay_by_mount(&self, dir: BorrowedFd<'_>, overlay: &Overlay, target: &Path) -> Result<bool> {
        let Some(cwd) = &self.cwd else {
            return Ok(false);
        };
        let Some(data) = overlay.mount_data(dir, &self.clones, &self.features)? else {
            return Ok(false);
        };
        // From the host's own directory mount(2) finds the target as the user wrote it. From a clone, or where the
        // target starts elsewhere, it is given as a descriptor, by its name in /proc.
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

/// Takes back an overlay that the kernel made read-only for a reason of its own.
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
