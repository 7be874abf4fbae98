// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A cache of detached clones.
//!
//! For each bind, and for each overlay layer, the kernel looks at every child mount of the mount
//! that holds the source (`has_locked_children`, fs/namespace.c), under the namespace's lock: 4 us
//! become 54 with 1,000 of them (a node whose containers lie on the root file system). A clone has
//! no children, so opening a source in it costs the same on every machine.

use crate::sys::listmount::has_mounts_below;
use crate::vfs::tree::Tree;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// The size of the cache. Each clone keeps a super block alive.
const ENTRIES: usize = 32;

/// Child mounts are counted again after so many uses: counting scans the namespace.
const COUNT_AGAIN: u32 = 64;

/// The cache, the entry that was used last at the end.
#[derive(Debug, Default)]
pub(crate) struct Clones(Mutex<VecDeque<Entry>>);

#[derive(Debug)]
struct Entry {
    origin: Origin,
    has_child_mounts: bool,
    uses: u32,
    clone: Option<(State, Arc<Tree>)>,
}

/// A mount, or a directory on it by device and inode number, which the clone keeps in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) mount: u64,
    pub(crate) directory: Option<((u32, u32), u64)>,
}

/// The attributes of the mount when it was cloned, which the clone has too, and its propagation.
pub(crate) type State = (u64, u64);

impl Clones {
    /// Returns whether the mount has at least `least` child mounts, as counted last.
    pub(crate) fn has_child_mounts(&self, origin: Origin, least: usize) -> bool {
        self.with(origin, |entry| {
            if entry.uses % COUNT_AGAIN == 0 {
                entry.has_child_mounts = has_mounts_below(origin.mount, least);
                entry.clone = entry.clone.take().filter(|_| entry.has_child_mounts);
            }
            entry.uses = entry.uses.wrapping_add(1);
            entry.has_child_mounts
        })
    }

    /// Returns the cached clone, or makes one if there is none of this state.
    pub(crate) fn get(
        &self,
        origin: Origin,
        state: State,
        make: impl FnOnce() -> Option<Tree>,
    ) -> Option<Arc<Tree>> {
        let cached = self.with(origin, |entry| entry.clone.clone());
        if let Some((_, clone)) = cached.filter(|(before, _)| *before == state) {
            return Some(clone);
        }
        let clone = Arc::new(make()?);
        self.with(origin, |entry| entry.clone = Some((state, Arc::clone(&clone))));
        Some(clone)
    }

    /// Calls `work` with the entry of the origin, which is added if it is missing.
    fn with<T>(&self, origin: Origin, work: impl FnOnce(&mut Entry) -> T) -> T {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = entries.iter().position(|entry| entry.origin == origin);
        let mut entry = at.and_then(|at| entries.remove(at)).unwrap_or(Entry {
            origin,
            has_child_mounts: false,
            uses: 0,
            clone: None,
        });
        if entries.len() == ENTRIES {
            entries.pop_front();
        }
        let result = work(&mut entry);
        entries.push_back(entry);
        result
    }
}
