// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Directories that were created for a mount point, and removed again if the mount fails.

use rustix::fd::OwnedFd;
use rustix::fs::AtFlags;
use std::ffi::{OsStr, OsString};
use std::sync::{Mutex, PoisonError};

/// The directories that were created, in order. Dropping it removes them with rmdir(2), which
/// removes only empty ones. A created file is never removed: unlink(2) could remove a file that
/// somebody else put at its name.
#[derive(Debug, Default)]
pub(crate) struct CreatedDirs(Mutex<Vec<(OwnedFd, OsString)>>);

impl CreatedDirs {
    /// Records a new directory.
    pub(crate) fn add(&self, parent: OwnedFd, name: &OsStr) {
        self.entries().push((parent, name.to_owned()));
    }

    /// Forgets all directories, so that none is removed: the mount succeeded.
    pub(crate) fn keep(&self) {
        self.entries().clear();
    }

    /// Takes over the directories recorded in `other`.
    pub(crate) fn take_over(&self, other: &Self) {
        self.entries().append(&mut other.entries());
    }

    /// Calls `look` with the parent and the name of each directory.
    pub(crate) fn each(&self, mut look: impl FnMut(&OwnedFd, &OsStr)) {
        for (parent, name) in self.entries().iter() {
            look(parent, name);
        }
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Vec<(OwnedFd, OsString)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CreatedDirs {
    fn drop(&mut self) {
        for (parent, name) in self.entries().drain(..).rev() {
            // Somebody else may use the directory by now: rmdir(2) rightly fails then.
            let _ = rustix::fs::unlinkat(&parent, &name, AtFlags::REMOVEDIR);
        }
    }
}
