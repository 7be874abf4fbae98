// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a process alone in its mount namespace mounts there, where the kernel can't mount into a detached tree.

use crate::error::Result;
use crate::kinds::overlay::ephemeral_uppers::EphemeralUppers;
use crate::set::build::mounter::Mounter;
use crate::vfs::hidden::{Hidden, HiddenDirectory};
use rustix::fd::BorrowedFd;
use std::sync::{Arc, PoisonError};

impl Mounter {
    /// Mounts the tree in the namespace of this process, if it is alone there and the kernel needs it: see
    /// [`in_own_namespace`](Self::in_own_namespace).
    pub(crate) fn hide(&self, root: BorrowedFd<'_>) -> Result<Option<Hidden>> {
        let Some(own) = self.own.as_ref().filter(|_| self.mounts_here()) else {
            return Ok(None);
        };
        let mut known = own.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = match known.upgrade().filter(|directory| !directory.is_left()) {
            Some(directory) => directory,
            None => HiddenDirectory::new()?,
        };
        *known = Arc::downgrade(&directory);
        Hidden::new(directory, root).map(Some)
    }

    /// Makes a tmpfs for the writes of overlays that are thrown away: see [`EphemeralUppers`].
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where a seccomp filter forbids the mount interface, and before Linux 6.15, which takes no layer of
    /// a detached tree, without [`in_own_namespace`](Self::in_own_namespace); those of mounting a tmpfs.
    pub fn ephemeral_uppers(&self) -> Result<EphemeralUppers> {
        self.need_mount_interface(false)?;
        self.need_detached_children_or_own_namespace()?;
        EphemeralUppers::new(&self.features, |root| self.hide(root))
    }
}
