// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Directories that were made for a mount point: taken away again where the mount did not come to be.

use rustix::fd::OwnedFd;
use rustix::fs::AtFlags;
use std::ffi::{OsStr, OsString};
use std::sync::{Mutex, PoisonError};

/// The directories that were made, in order. Dropping it takes them away with rmdir(2), which takes only what is still
/// empty. A file that was made stays: unlink(2) could take what somebody else has put at its name.
#[derive(Debug, Default)]
pub(crate) struct CreatedDirs(Mutex<Vec<(OwnedFd, OsString)>>);

impl CreatedDirs {
    /// Remembers a new directory.
    pub(crate) fn add(&self, parent: OwnedFd, name: &OsStr) {
        self.entries().push((parent, name.to_owned()));
    }

    /// The mount is there: all of it stays.
    pub(crate) fn keep(&self) {
        self.entries().clear();
    }

    /// Answers from now on for what `other` remembers.
    pub(crate) fn take_over(&self, other: &Self) {
        self.entries().append(&mut other.entries());
    }

    /// Calls `look` with the parent and the name of each.
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
            // What somebody else has used meanwhile is theirs: the failure is right then.
            let _ = rustix::fs::unlinkat(&parent, &name, AtFlags::REMOVEDIR);
        }
    }
}
