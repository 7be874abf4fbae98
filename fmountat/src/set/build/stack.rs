// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How many mounts of a set are stacked at one place.

use crate::mountinfo::id::MountId;
use crate::vfs::target::open_in_root;
use rustix::fd::{AsFd, BorrowedFd};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// How many mounts of a set are on each other at the place of each of them. One that is not among them came with a copied tree,
/// and is taken for one alone.
#[derive(Debug, Default)]
pub(crate) struct Stacks {
    heights: HashMap<MountId, usize>,
    /// Where there is more than one, from the root of the set.
    places: Vec<(PathBuf, usize)>,
}

impl Stacks {
    /// The mount was put on the root of another one, or on no mount's, at this place in the set.
    pub(crate) fn add(&mut self, mount: MountId, beneath: Option<MountId>, place: &Path) {
        let height = beneath.map_or(0, |beneath| self.of(beneath)) + 1;
        self.heights.insert(mount, height);
        if height > 1 {
            self.places.push((place.to_owned(), height));
        }
    }

    /// The set is a copy now, whose mounts have ids of their own. No file system that does not answer is in one that was
    /// just built, and a place that is not found any more has no stack.
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
