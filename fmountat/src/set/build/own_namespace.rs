// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mounts in the process's own mount namespace, where the kernel cannot mount into a detached tree.

use crate::error::Result;
use crate::kinds::overlay::ephemeral_uppers::EphemeralUppers;
use crate::set::build::mounter::Mounter;
use crate::vfs::hidden_place::{Hidden, HiddenDirectory};
use rustix::fd::BorrowedFd;
use std::ffi::OsStr;
use std::sync::{Arc, PoisonError};

impl Mounter {
    /// Mounts the tree at `root` in the namespace of this process, if the process is alone there
    /// and the kernel needs it: see [`in_own_namespace`](Self::in_own_namespace). Returns `None`
    /// otherwise.
    pub(crate) fn hide(&self, root: BorrowedFd<'_>) -> Result<Option<Hidden>> {
        let Some(own) = self.own.as_ref().filter(|_| self.mounts_here()) else {
            return Ok(None);
        };
        let mut cached = own.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = match cached.upgrade().filter(|directory| !directory.is_left()) {
            Some(directory) => directory,
            None => HiddenDirectory::new()?,
        };
        *cached = Arc::downgrade(&directory);
        Hidden::new(directory, root).map(Some)
    }

    /// Creates a tmpfs for the upper directories of overlays whose changes are discarded: see
    /// [`EphemeralUppers`].
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where a seccomp filter forbids the
    /// mount interface, and before Linux 6.15 without [`in_own_namespace`](Self::in_own_namespace),
    /// since those kernels accept no layer in a detached tree; those of mounting a tmpfs.
    pub fn ephemeral_uppers(&self) -> Result<EphemeralUppers> {
        self.uppers(None)
    }

    /// Creates a tmpfs as [`ephemeral_uppers`](Self::ephemeral_uppers) does, with its option
    /// `size`: bytes, with the suffix k, m, g or %.
    ///
    /// # Errors
    /// The same.
    pub fn ephemeral_uppers_of(&self, size: impl AsRef<OsStr>) -> Result<EphemeralUppers> {
        self.uppers(Some(size.as_ref()))
    }

    fn uppers(&self, size: Option<&OsStr>) -> Result<EphemeralUppers> {
        self.need_mount_interface(false)?;
        self.need_detached_children_or_own_namespace()?;
        EphemeralUppers::of_size(&self.features, size, |root| self.hide(root))
    }
}
