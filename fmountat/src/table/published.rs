// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A set that is in its place, by the identity of its mounts: what was published, and nothing that came later.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::mountinfo::id::{MountId, UniqueMountId};
use crate::sys::listmount::{LSMT_ROOT, mounts_below};
use crate::sys::statmount::{MNT_BASIC, statmount};
use crate::vfs::tree::Attached;
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::fmt;

/// The mounts of a published set, the root of it first. They are unique ids \[Linux 6.8\], which no other mount has until
/// the machine boots again: keep `/proc/sys/kernel/random/boot_id` beside a set that is written to a disk. What
/// [`Unmount::run_set`](crate::table::unmount::request::Unmount::run_set) takes away is this set, and it can tell what others have mounted in it.
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
    /// The mount that was attached, and all in it: listmount(2). Ask at once, and drop `attached` then, which keeps the
    /// mount busy. What somebody mounts in it between the two calls is told apart where the set was built by this crate,
    /// whose mounts are older than the publishing.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] before Linux 6.8; [`ErrorKind::NotMounted`] where it is gone already, or attached in
    /// another namespace.
    pub fn of(attached: &Attached) -> Result<Self> {
        Self::at(attached.id(), attached.newest())
    }

    /// The mount with this id and all in it that are not newer than `newest`.
    pub(crate) fn at(root: MountId, newest: Option<UniqueMountId>) -> Result<Self> {
        let root = root.unique().ok_or_else(|| not_listed(root, Errno::NOSYS))?;
        // What this crate builds begins with its root.
        let oldest = if newest.is_some() { root.get() } else { 0 };
        let is_ours = |id: &UniqueMountId| newest.is_none_or(|newest| *id <= newest);
        Ok(Self { root, inside: below(Some(root), oldest)?.into_iter().filter(is_ours).collect() })
    }

    /// The set with these ids, its root's first. Nothing is looked at.
    ///
    /// # Errors
    /// [`ErrorKind::OptionValue`] for an empty list, or a number that is no unique id.
    pub fn from_numbers(ids: impl IntoIterator<Item = u64>) -> Result<Self> {
        let mut ids = ids.into_iter().map(|number| {
            UniqueMountId::from_number(number).ok_or_else(|| {
                let reason = "is not a unique mount id (those are greater than 2147483648)";
                Error::new(ErrorKind::OptionValue, Operation::ReadSet, reason)
                    .with_argument(number.to_string())
            })
        });
        let empty = || Error::new(ErrorKind::OptionValue, Operation::ReadSet, "the set has no mounts");
        Ok(Self { root: ids.next().ok_or_else(empty)??, inside: ids.collect::<Result<_>>()? })
    }

    /// The mount that the others are in.
    #[must_use]
    pub fn root(&self) -> UniqueMountId {
        self.root
    }

    /// All mounts, the root first.
    pub fn mounts(&self) -> impl Iterator<Item = UniqueMountId> + '_ {
        std::iter::once(self.root).chain(self.inside.iter().copied())
    }

    /// What is in it now and was not published with it.
    pub(crate) fn others(&self) -> Result<Vec<UniqueMountId>> {
        Ok(below(Some(self.root), 0)?.into_iter().filter(|id| !self.inside.contains(id)).collect())
    }
}

/// As [`PublishedSet::others`], for each of the sets: the mount table is gone through once, and of each mount that is of no
/// set it is asked what it is in.
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

/// The sets that are mounted in another one of them, innermost first, and the rest; each once.
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

/// The mount that this one is on, and so on up.
fn parents(id: UniqueMountId) -> impl Iterator<Item = UniqueMountId> {
    let parent = |id: &UniqueMountId| {
        let parent = UniqueMountId::from_number(statmount(id.get(), MNT_BASIC).ok()?.basic?.parent)?;
        (parent != *id).then_some(parent)
    };
    std::iter::successors(Some(id), parent).skip(1)
}

/// Returns the mounts below `root`, or below the caller's root directory, that are newer than `after`.
pub(crate) fn below(root: Option<UniqueMountId>, after: u64) -> Result<Vec<UniqueMountId>> {
    let number = root.map_or(LSMT_ROOT, UniqueMountId::get);
    let ids = mounts_below(number, after).map_err(|errno| not_listed(number, errno))?;
    Ok(ids.into_iter().filter_map(UniqueMountId::from_number).collect())
}

fn not_listed(root: impl fmt::Display, errno: Errno) -> Error {
    match errno {
        Errno::NOENT => {
            let reason = "is not mounted in this mount namespace: no mount has this id";
            Error::new(ErrorKind::NotMounted, Operation::FindSet, reason).with_argument(root.to_string())
        }
        Errno::NOSYS => Error::sys(Operation::FindSet, Syscall::Listmount, errno).with_hint(
            "unmount recursively by path (umount -R TARGET): unmounting a set by id requires Linux 6.8",
        ),
        _ => Error::sys(Operation::FindSet, Syscall::Listmount, errno).with_argument(root.to_string()),
    }
}

/// A list of its ids, the root's first.
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
