// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Detached clones that are kept from one mount to the next.
//!
//! For each bind, and for each overlay layer, the kernel looks at every child mount of the mount that holds the source
//! (`has_locked_children`, fs/namespace.c), under the namespace's lock: 4 us become 54 where there are 1,000 (a node whose
//! containers lie on the root file system). A clone has no children, so what is opened in it costs the same on every machine.

use crate::sys::listmount::has_mounts_below;
use crate::vfs::tree::Tree;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// How many clones are kept. Each keeps a super block alive, so not without end.
const KEPT: usize = 32;

/// Counting scans the namespace, so it is done again only after so many mounts.
const COUNT_AGAIN: u32 = 64;

/// What is known of the places that mounts were made from, newest last.
#[derive(Debug, Default)]
pub(crate) struct Clones {
    kept: Mutex<VecDeque<Kept>>,
}

#[derive(Debug)]
struct Kept {
    place: Cloned,
    is_crowded: bool,
    uses: u32,
    clone: Option<(Like, Arc<Tree>)>,
}

/// A mount, or a directory on it by device and inode number: its clone holds the inode, so that the number can't come to mean
/// another directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cloned {
    pub(crate) mount: u64,
    pub(crate) directory: Option<((u32, u32), u64)>,
}

/// What the mount was like when it was cloned: attributes, which the clone has as they were, and propagation.
pub(crate) type Like = (u64, u64);

impl Clones {
    /// Whether the mount has at least `crowd` mounts below; counted now and then.
    pub(crate) fn is_crowded(&self, place: Cloned, crowd: usize) -> bool {
        self.with(place, |kept| {
            if kept.uses % COUNT_AGAIN == 0 {
                kept.is_crowded = has_mounts_below(place.mount, crowd);
                kept.clone = kept.clone.take().filter(|_| kept.is_crowded);
            }
            kept.uses = kept.uses.wrapping_add(1);
            kept.is_crowded
        })
    }

    /// The clone of the place, made unless one is kept that is of a mount like this.
    pub(crate) fn get(
        &self,
        place: Cloned,
        like: Like,
        make: impl FnOnce() -> Option<Tree>,
    ) -> Option<Arc<Tree>> {
        let known = self.with(place, |kept| kept.clone.clone());
        if let Some((_, clone)) = known.filter(|(before, _)| *before == like) {
            return Some(clone);
        }
        let clone = Arc::new(make()?);
        self.with(place, |kept| kept.clone = Some((like, Arc::clone(&clone))));
        Some(clone)
    }

    /// Works on what is known of the place, which is remembered from now on.
    fn with<T>(&self, place: Cloned, work: impl FnOnce(&mut Kept) -> T) -> T {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.iter().position(|one| one.place == place);
        let mut one = match known.and_then(|at| kept.remove(at)) {
            Some(one) => one,
            None => Kept { place, is_crowded: false, uses: 0, clone: None },
        };
        if kept.len() == KEPT {
            kept.pop_front();
        }
        let result = work(&mut one);
        kept.push_back(one);
        result
    }
}
