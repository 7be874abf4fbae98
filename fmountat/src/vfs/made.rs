// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mount points that were made for a mount: taken away again where the mount did not come to be.

use rustix::fd::OwnedFd;
use rustix::fs::AtFlags;
use std::ffi::{OsStr, OsString};
use std::sync::{Mutex, PoisonError};

/// What was made, in order. Dropping it takes away what is still as it was made: empty directories with rmdir, and files
/// that nobody wrote to.
#[derive(Debug, Default)]
pub(crate) struct Made(Mutex<Vec<Entry>>);

#[derive(Debug)]
struct Entry {
    parent: OwnedFd,
    name: OsString,
    /// The file, open; `None` for a directory.
    file: Option<OwnedFd>,
}

impl Made {
    /// Remembers a new directory or, with its descriptor, a new file.
    pub(crate) fn add(&self, parent: OwnedFd, name: &OsStr, file: Option<OwnedFd>) {
        self.entries().push(Entry { parent, name: name.to_owned(), file });
    }

    /// The mount is there: all of it stays.
    pub(crate) fn keep(&self) {
        self.entries().clear();
    }

    /// Answers from now on for what `other` remembers.
    pub(crate) fn take_over(&self, other: &Self) {
        self.entries().append(&mut other.entries());
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for entry in self.entries().drain(..).rev() {
            entry.take_away();
        }
    }
}

impl Entry {
    /// What somebody else has used meanwhile is theirs: the failure of rmdir is right then.
    fn take_away(&self) {
        let flags = match &self.file {
            None => AtFlags::REMOVEDIR,
            Some(file) if Self::is_untouched(file) => AtFlags::empty(),
            Some(_) => return,
        };
        let _ = rustix::fs::unlinkat(&self.parent, &self.name, flags);
    }

    /// Whether it still has its one name and nothing in it. What is at that name now can't be asked: a mount may be on it.
    fn is_untouched(file: &OwnedFd) -> bool {
        rustix::fs::fstat(file).is_ok_and(|stat| (stat.st_nlink, stat.st_size) == (1, 0))
    }
}
