// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A tmpfs for upper and work directories, detached or hidden in the process's own mount namespace.

use crate::error::{Error, Operation, Result, Syscall};
use crate::kinds::filesystem::{FsOption, configured};
use crate::kinds::overlay::common::open_directory;
use crate::kinds::overlay::definition::{Layer, Overlay};
use crate::vfs::attr::MountAttr;
use crate::vfs::features::Features;
use crate::vfs::hidden_place::Hidden;
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Gid, Mode, Uid};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A tmpfs with upper and work directories, for overlays whose changes are discarded. It is freed
/// with the last of the overlays, wherever those are mounted.
///
/// No path refers to the tmpfs: it is a detached tree \[Linux 6.15\], or hidden in the mount
/// namespace of a process that has [its own](crate::Mounter::in_own_namespace).
/// [`Mounter::ephemeral_uppers`](crate::Mounter::ephemeral_uppers) creates one. Keep it until the
/// overlays are mounted; dropping it later does not affect them.
///
/// ```no_run
/// use fmountat::overlay::Overlay;
/// use fmountat::{MountAttr, Mounter, Target};
/// use fmountat::CWD;
/// let mounter = Mounter::detached();
/// let uppers = mounter.ephemeral_uppers()?;
/// let overlay = uppers.give(CWD, Overlay::new().lower("/srv/image"))?;
/// let tree = mounter.overlay_tree(CWD, &overlay, &MountAttr::default())?;
/// tree.attach(&Target::open(CWD, "/mnt")?)?;
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug)]
pub struct EphemeralUppers {
    tree: Tree,
    given: AtomicUsize,
    /// Its hidden mount, if the kernel refuses layers in a detached tree.
    _hidden: Option<Hidden>,
    needs_user_attributes: bool,
}

impl EphemeralUppers {
    /// Creates the tmpfs. `hide` mounts it if the kernel refuses layers in a detached tree.
    pub(crate) fn new(
        features: &Features,
        hide: impl FnOnce(BorrowedFd<'_>) -> Result<Option<Hidden>>,
    ) -> Result<Self> {
        Self::of_size(features, None, hide)
    }

    /// Creates the tmpfs with its option `size`.
    pub(crate) fn of_size(
        features: &Features,
        size: Option<&OsStr>,
        hide: impl FnOnce(BorrowedFd<'_>) -> Result<Option<Hidden>>,
    ) -> Result<Self> {
        let mode = FsOption { key: "mode".into(), value: Some("0755".into()) };
        let size = size.map(|size| FsOption { key: "size".into(), value: Some(size.to_owned()) });
        let options: Vec<FsOption> = std::iter::once(mode).chain(size).collect();
        let name = OsStr::new("tmpfs");
        let tree = configured(name, name, &[], &options)?.create()?.mount(&MountAttr::default())?;
        let hidden = hide(tree.root())?;
        let needs_user_attributes = !features.initial_user_namespace && !features.tmpfs_user_attributes;
        Ok(Self { tree, given: AtomicUsize::new(0), _hidden: hidden, needs_user_attributes })
    }

    /// Reports whether overlays were given an upper that cannot mark removed directories. In a user
    /// namespace the mark is a user attribute, which tmpfs supports since Linux 6.6. Without it,
    /// removing a directory of a lower layer fails with EIO.
    #[must_use]
    pub fn lacks_marks(&self) -> bool {
        self.needs_user_attributes && self.given.load(Ordering::Relaxed) > 0
    }

    /// Adds a new upper and work directory to the overlay. The upper gets the mode and, if ids are
    /// mapped, the owner of the topmost lower, because the root of the overlay shows them. A
    /// relative lower is resolved from `dir`.
    ///
    /// # Errors
    /// The errno of mkdirat(2), openat(2) or fchmodat(2) in the tmpfs. A missing lower is reported
    /// by the mount instead.
    pub fn give(&self, dir: impl AsFd, overlay: Overlay) -> Result<Overlay> {
        let number = self.given.fetch_add(1, Ordering::Relaxed);
        let upper = self.directory(&format!("upper{number}"))?;
        let work = self.directory(&format!("work{number}"))?;
        if let Some(Layer::Path(lower)) = overlay.lowers.first() {
            self.make_like(&format!("upper{number}"), dir.as_fd(), lower)?;
        }
        Ok(overlay.upper(Layer::Fd(Arc::new(upper)), Layer::Fd(Arc::new(work))))
    }

    fn make_like(&self, name: &str, dir: BorrowedFd<'_>, lower: &Path) -> Result<()> {
        let Ok(stat) = rustix::fs::statat(dir, lower, AtFlags::empty()) else { return Ok(()) };
        let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        // In a user namespace this fails for an unmapped owner.
        let _ = rustix::fs::chownat(self.tree.root(), name, Some(uid), Some(gid), AtFlags::empty());
        let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
        rustix::fs::chmodat(self.tree.root(), name, mode, AtFlags::empty()).map_err(|e| {
            Error::sys(Operation::SetModeUpperDirectory, Syscall::Fchmodat, e).with_argument(name)
        })
    }

    fn directory(&self, name: &str) -> Result<OwnedFd> {
        rustix::fs::mkdirat(self.tree.root(), name, Mode::from_raw_mode(0o755)).map_err(|e| {
            Error::sys(Operation::MakeUpperDirectory, Syscall::Mkdirat, e).with_argument(name)
        })?;
        open_directory(self.tree.root(), name)
            .map_err(|e| Error::sys(Operation::OpenUpperDirectory, Syscall::Openat, e).with_argument(name))
    }
}
