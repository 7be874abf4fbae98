// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Journal`: the directories for the entries of sets that are mounted step by step.

use crate::set::journal::record::JournalEntry;
use std::path::{Path, PathBuf};

/// The directories for the journal entries of sets that cannot be published in one step.
///
/// A set that is built detached or in a private namespace needs no entry: `kill -9` leaves nothing
/// behind. For a set that is mounted step by step (see [`Strategy`](crate::strategy::Strategy)),
/// and while a mount helper runs, an entry lists the mounts so far. If no directory is writable,
/// the set is mounted without an entry.
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
    /// Uses `/run/fmountat` for root, then `$XDG_RUNTIME_DIR/fmountat`. Both have mode 0700 and are
    /// removed when they are empty.
    #[must_use]
    pub fn standard() -> Self {
        let of_root = rustix::process::geteuid().is_root().then(|| PathBuf::from("/run"));
        let of_user =
            std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
        let directories = of_root.into_iter().chain(of_user).map(|dir| dir.join("fmountat")).collect();
        Self { directories }
    }

    /// Uses this directory, whose parent must exist.
    #[must_use]
    pub fn in_directory(path: impl Into<PathBuf>) -> Self {
        Self { directories: vec![path.into()] }
    }

    /// Writes no entries.
    #[must_use]
    pub fn none() -> Self {
        Self { directories: Vec::new() }
    }

    /// Creates an entry in the first directory that is usable.
    pub(crate) fn begin(&self, target: &Path) -> Option<JournalEntry> {
        self.directories.iter().find_map(|path| JournalEntry::begin(path, target).ok())
    }
}
