// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Counts the mounts of a set that are stacked at one place.

use crate::mountinfo::id::MountId;
use crate::vfs::target::open_in_root;
use rustix::fd::{AsFd, BorrowedFd};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The number of mounts of a set that are stacked at the place of each of them. A mount that is not
/// listed here came with a copied tree and counts as one.
#[derive(Debug, Default)]
pub(crate) struct Stacks {
    heights: HashMap<MountId, usize>,
    /// The places with more than one mount, relative to the root of the set.
    places: Vec<(PathBuf, usize)>,
}

impl Stacks {
    /// Records that `mount` was attached at `place` in the set. `beneath` is the mount whose root
    /// it was attached on, if there is one.
    pub(crate) fn add(&mut self, mount: MountId, beneath: Option<MountId>, place: &Path) {
        let height = beneath.map_or(0, |beneath| self.of(beneath)) + 1;
        self.heights.insert(mount, height);
        if height > 1 {
            self.places.push((place.to_owned(), height));
        }
    }

    /// Looks up the ids again after the set was copied, since the mounts of the copy have their
    /// own. A place that no longer resolves has no stack. No lookup can hang: a set that was just
    /// built contains no file system that does not answer.
    pub(crate) fn copied_to(&mut self, root: BorrowedFd<'_>) {
        self.heights.clear();
        for (place, height) in &self.places {
            if let Ok(top) = open_in_root(root, place).and_then(|fd| MountId::of(fd.as_fd())) {
                self.heights.insert(top, *height);
            }
        }
    }

    pub(crate) fn of(&self, mount: MountId) -> usize {
        self.heights.get(&mount).copied().unwrap_or(1)
    }
}
