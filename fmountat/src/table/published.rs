// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A published set, identified by the unique ids of its mounts.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::mountinfo::id::{MountId, UniqueMountId};
use crate::sys::listmount::{LSMT_ROOT, mounts_below};
use crate::sys::statmount::{MNT_BASIC, statmount};
use crate::vfs::tree::Attached;
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::fmt;

/// The mounts of a published set, its root first.
///
/// They are identified by unique ids \[Linux 6.8\], which the kernel does not reuse until the next
/// boot. Store `/proc/sys/kernel/random/boot_id` beside a set that you write to disk.
/// [`Unmount::run_set`](crate::table::unmount::request::Unmount::run_set) unmounts exactly this set
/// and detects mounts that others added to it.
///
/// ```
/// # use fmountat::PublishedSet;
/// let set = PublishedSet::from_numbers([4294968001, 4294968002])?;
/// assert_eq!(set.root().get(), 4294968001);
/// let line = serde_json::to_string(&set).unwrap(); // to be kept until it is unmounted
/// assert_eq!(serde_json::from_str::<PublishedSet>(&line).unwrap(), set);
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PublishedSet {
    root: UniqueMountId,
    inside: Vec<UniqueMountId>,
}

impl PublishedSet {
    /// Lists the attached mount and all mounts below it by listmount(2).
    ///
    /// Call it at once and drop `attached` afterwards, which keeps the mount busy. Mounts that
    /// others add in between are excluded if this crate built the set: its own mounts are older
    /// than the publication.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] before Linux 6.8; [`ErrorKind::NotMounted`] if it was unmounted
    /// already or is attached in another namespace.
    pub fn of(attached: &Attached) -> Result<Self> {
        Self::at(attached.id(), attached.newest())
    }

    /// Lists the mount with this id and the mounts below it that are not newer than `newest`.
    pub(crate) fn at(root: MountId, newest: Option<UniqueMountId>) -> Result<Self> {
        let root = root.unique().ok_or_else(|| not_listed(root, Errno::NOSYS))?;
        // The root is the oldest mount of a set that this crate built.
        let oldest = if newest.is_some() { root.get() } else { 0 };
        let is_ours = |id: &UniqueMountId| newest.is_none_or(|newest| *id <= newest);
        Ok(Self { root, inside: below(Some(root), oldest)?.into_iter().filter(is_ours).collect() })
    }

    /// Makes a set of these ids, the root's first. Does not check that the mounts exist.
    ///
    /// # Errors
    /// [`ErrorKind::OptionValue`] for an empty list or a number that is not a unique id.
    pub fn from_numbers(ids: impl IntoIterator<Item = u64>) -> Result<Self> {
        let mut ids = ids.into_iter().map(|number| {
            UniqueMountId::from_number(number).ok_or_else(|| {
                let reason = "it is no unique mount id: those are above 2147483648";
                Error::new(ErrorKind::OptionValue, Operation::ReadSet, reason)
                    .with_argument(number.to_string())
            })
        });
        let empty = || Error::new(ErrorKind::OptionValue, Operation::ReadSet, "it has no mounts");
        Ok(Self { root: ids.next().ok_or_else(empty)??, inside: ids.collect::<Result<_>>()? })
    }

    /// Returns the root mount of the set.
    #[must_use]
    pub fn root(&self) -> UniqueMountId {
        self.root
    }

    /// Returns all mounts, the root first.
    pub fn mounts(&self) -> impl Iterator<Item = UniqueMountId> + '_ {
        std::iter::once(self.root).chain(self.inside.iter().copied())
    }

    /// Returns the mounts below its root that were not published with it.
    pub(crate) fn others(&self) -> Result<Vec<UniqueMountId>> {
        Ok(below(Some(self.root), 0)?.into_iter().filter(|id| !self.inside.contains(id)).collect())
    }
}

/// Like [`PublishedSet::others`], for many sets: lists the mount table once and looks up the
/// ancestors of each mount that is in no set.
pub(crate) fn others_in(sets: &[PublishedSet]) -> Result<Vec<Vec<UniqueMountId>>> {
    let number =
        |(number, set): (usize, &PublishedSet)| set.mounts().map(move |id| (id, number)).collect::<Vec<_>>();
    let known: HashMap<UniqueMountId, usize> = sets.iter().enumerate().flat_map(number).collect();
    let mut others = vec![Vec::new(); sets.len()];
    for id in below(None, 0)?.into_iter().filter(|id| !known.contains_key(id)) {
        let set = parents(id).find_map(|parent| known.get(&parent));
        if let Some(others) = set.and_then(|set| others.get_mut(*set)) {
            others.push(id);
        }
    }
    Ok(others)
}

/// Splits the sets into those mounted inside another of them, the innermost first, and the rest.
/// Removes duplicates.
pub(crate) fn inner_and_outer(sets: &[PublishedSet]) -> (Vec<PublishedSet>, Vec<PublishedSet>) {
    let mut seen = HashSet::new();
    let once: Vec<_> = sets.iter().filter(|set| seen.insert(set.root)).cloned().collect();
    let of: HashMap<UniqueMountId, UniqueMountId> =
        once.iter().flat_map(|set| set.mounts().map(|id| (id, set.root))).collect();
    let depth = |set: &PublishedSet| {
        let around = parents(set.root).filter_map(|parent| of.get(&parent)).filter(|root| **root != set.root);
        around.collect::<HashSet<_>>().len()
    };
    let mut deep: Vec<_> = once.into_iter().map(|set| (depth(&set), set)).collect();
    deep.sort_by_key(|(depth, _)| std::cmp::Reverse(*depth));
    let (inner, outer): (Vec<_>, Vec<_>) = deep.into_iter().partition(|(depth, _)| *depth > 0);
    let sets = |deep: Vec<(usize, PublishedSet)>| deep.into_iter().map(|(_, set)| set).collect();
    (sets(inner), sets(outer))
}

/// Returns the ancestors of a mount, its parent first.
fn parents(id: UniqueMountId) -> impl Iterator<Item = UniqueMountId> {
    let parent = |id: &UniqueMountId| {
        let parent = UniqueMountId::from_number(statmount(id.get(), MNT_BASIC).ok()?.basic?.parent)?;
        (parent != *id).then_some(parent)
    };
    std::iter::successors(Some(id), parent).skip(1)
}

/// Returns the mounts below `root` that are newer than `after`; for `None`, those below the
/// caller's root directory.
pub(crate) fn below(root: Option<UniqueMountId>, after: u64) -> Result<Vec<UniqueMountId>> {
    let number = root.map_or(LSMT_ROOT, UniqueMountId::get);
    let ids = mounts_below(number, after).map_err(|errno| not_listed(number, errno))?;
    Ok(ids.into_iter().filter_map(UniqueMountId::from_number).collect())
}

fn not_listed(root: impl fmt::Display, errno: Errno) -> Error {
    match errno {
        Errno::NOENT => {
            let reason = "this mount namespace has no mount with this id: it was unmounted, or is elsewhere";
            Error::new(ErrorKind::NotMounted, Operation::FindSet, reason).with_argument(root.to_string())
        }
        Errno::NOSYS => Error::sys(Operation::FindSet, Syscall::Listmount, errno)
            .with_hint("sets are told by unique ids, which need Linux 6.8: unmount recursively by path"),
        _ => Error::sys(Operation::FindSet, Syscall::Listmount, errno).with_argument(root.to_string()),
    }
}

/// Serializes as a list of ids, the root's first.
#[cfg(feature = "serde")]
impl serde::Serialize for PublishedSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.mounts().map(UniqueMountId::get))
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for PublishedSet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_numbers(Vec::<u64>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
