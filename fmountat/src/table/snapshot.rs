// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The mount table as it was: a tree of mounts, and questions to it.

use super::entry::TableEntry;
use super::fields::{Fields, TableWay};
use super::links::Links;
use super::record::{Record, Text};
use crate::vfs::identity::MountId;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::OnceLock;

/// A snapshot of the mount table of a mount namespace: what can be seen below a root directory.
///
/// A mount that stays where it is while the table is read is in it, whatever comes and goes meanwhile. Mounts are in the
/// order in which they were made, stacked ones from the bottom up.
///
/// ```
/// use fmountat::{Fields, Table};
/// let table = Table::read(Fields::LIST)?;
/// for (depth, mount) in table.walk() {
///     println!("{:depth$}{} {}", "", mount.target().display(), mount.fstype().to_string_lossy());
/// }
/// assert_eq!(table.at("/").unwrap().target(), "/");
/// # Ok::<(), fmountat::Error>(())
/// ```
pub struct Table {
    pub(crate) records: Vec<Record>,
    pub(crate) text: Text,
    pub(crate) fields: Fields,
    way: TableWay,
    links: OnceLock<Links>,
}

impl Table {
    pub(crate) fn new(records: Vec<Record>, text: Text, fields: Fields, way: TableWay) -> Self {
        Self { records, text, fields, way, links: OnceLock::new() }
    }

    /// What it knows of each mount: what was asked for, where the kernel could tell it, and what came without cost.
    #[must_use]
    pub fn fields(&self) -> Fields {
        self.fields
    }

    /// The interface it was read by, never [`TableWay::Auto`].
    #[must_use]
    pub fn way(&self) -> TableWay {
        self.way
    }

    /// How many mounts it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether nothing is mounted below the root directory.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(crate) fn links(&self) -> &Links {
        self.links.get_or_init(|| Links::of(&self.records))
    }

    fn entry(&self, index: usize) -> TableEntry<'_> {
        TableEntry { table: self, index }
    }

    /// All mounts.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = TableEntry<'_>> + ExactSizeIterator {
        (0..self.records.len()).map(|index| self.entry(index))
    }

    /// The mounts that are on no other: one, the mount that is `/`, but where the root directory is no mount's root.
    pub fn roots(&self) -> impl DoubleEndedIterator<Item = TableEntry<'_>> + ExactSizeIterator {
        self.links().roots().iter().map(|index| self.entry(*index as usize))
    }

    /// All mounts, each before those that are on it, with how many are below it.
    pub fn walk(&self) -> impl Iterator<Item = (usize, TableEntry<'_>)> {
        let mut rest: Vec<(usize, TableEntry<'_>)> = self.roots().rev().map(|root| (0, root)).collect();
        std::iter::from_fn(move || {
            let (depth, entry) = rest.pop()?;
            rest.extend(entry.children().rev().map(|child| (depth + 1, child)));
            Some((depth, entry))
        })
    }

    /// The mount with this id: a unique one, if the table has those, or one of mountinfo.
    #[must_use]
    pub fn get(&self, id: MountId) -> Option<TableEntry<'_>> {
        let index = match id.is_unique() {
            true => self.links().by_unique(id.get()),
            false => self.links().by_number(id.get()),
        };
        index.map(|index| self.entry(index))
    }

    /// The mounts with this source.
    pub fn with_source(&self, source: impl AsRef<OsStr>) -> impl Iterator<Item = TableEntry<'_>> {
        self.iter().filter(move |entry| entry.source() == source.as_ref())
    }

    /// The mounts of this type; `fuse` is `fuse.sshfs` too.
    pub fn with_type(&self, fstype: impl AsRef<OsStr>) -> impl Iterator<Item = TableEntry<'_>> {
        self.iter().filter(move |entry| is_type(entry.fstype(), fstype.as_ref()))
    }

    /// The mounts at `path` and below it, component by component: `/a/b` is not below `/a/bc`.
    pub fn below(&self, path: impl AsRef<Path>) -> impl Iterator<Item = TableEntry<'_>> {
        self.iter().filter(move |entry| entry.target().starts_with(path.as_ref()))
    }

    /// The mounts stacked at `path`, from the bottom up.
    #[must_use]
    pub fn stack(&self, path: impl AsRef<Path>) -> Vec<TableEntry<'_>> {
        let path = path.as_ref();
        let mut stack: Vec<_> = self.iter().filter(|entry| entry.target() == path).collect();
        // Made in another order than stacked: moved here, or put beneath.
        let depth = |entry: &TableEntry<'_>| std::iter::successors(Some(*entry), TableEntry::parent).count();
        stack.sort_by_cached_key(depth);
        stack
    }

    /// The mount that is seen at `path`: the top of its stack.
    #[must_use]
    pub fn at(&self, path: impl AsRef<Path>) -> Option<TableEntry<'_>> {
        self.stack(path).pop()
    }
}

/// Whether a mount of the type `fstype` is meant by `wanted`.
pub(crate) fn is_type(fstype: &OsStr, wanted: &OsStr) -> bool {
    let rest = fstype.as_encoded_bytes().strip_prefix(wanted.as_encoded_bytes());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
