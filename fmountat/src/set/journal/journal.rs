// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Journal`: where entries are kept of sets that are mounted step by step.

use crate::set::journal::record::JournalEntry;
use std::path::{Path, PathBuf};

/// Where notes are kept of sets that can't be published in one step.
///
/// The detached way and a private namespace need none: there `kill -9` leaves nothing. Step by step (see [`Strategy`](crate::strategy::Strategy)),
/// and while a mount helper works, a note says what has been mounted so far. Where no directory can be written to, there
/// is no note.
///
/// ```no_run
/// let cleaned = fmountat::journal::Journal::standard().clean();
/// for (id, place) in &cleaned.unmounted {
///     println!("{} was left at {}", id.get(), place.display());
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    pub(crate) directories: Vec<PathBuf>,
}

impl Journal {
    /// `/run/fmountat` for root, then `$XDG_RUNTIME_DIR/fmountat`. Both belong to the user alone (mode 0700), and go when they
    /// are empty.
    #[must_use]
    pub fn standard() -> Self {
        let of_root = rustix::process::geteuid().is_root().then(|| PathBuf::from("/run"));
        let of_user =
            std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
        let directories = of_root.into_iter().chain(of_user).map(|dir| dir.join("fmountat")).collect();
        Self { directories }
    }

    /// In this directory, whose parent must exist.
    #[must_use]
    pub fn in_directory(path: impl Into<PathBuf>) -> Self {
        Self { directories: vec![path.into()] }
    }

    /// Nowhere.
    #[must_use]
    pub fn none() -> Self {
        Self { directories: Vec::new() }
    }

    /// A new note, in the first directory that takes one.
    pub(crate) fn begin(&self, target: &Path) -> Option<JournalEntry> {
        self.directories.iter().find_map(|path| JournalEntry::begin(path, target).ok())
    }
}
