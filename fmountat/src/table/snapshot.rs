// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One mount of a snapshot.

use crate::mountinfo::MountEntry;
use crate::mountinfo::id::{MountId, MountinfoId, UniqueMountId};
use crate::mountinfo::record::{Record, Text};
use crate::table::fields::{Fields, TableStrategy};
use crate::table::links::Links;
use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

/// One mount of a [`Table`], as long as that lives. What was not asked for ([`Fields`](crate::table::fields::Fields)) is empty or `None`.
#[derive(Clone, Copy)]
pub struct TableEntry<'a> {
    pub(crate) table: &'a Table,
    pub(crate) index: usize,
}

impl<'a> TableEntry<'a> {
    pub(crate) fn record(&self) -> &'a Record {
        &self.table.records[self.index]
    }

    fn text(&self, span: crate::mountinfo::record::Span) -> &'a OsStr {
        self.table.text.get(span)
    }

    /// Its identity: the unique id where the table has it, else the id of mountinfo.
    #[must_use]
    pub fn id(&self) -> MountId {
        MountId::from_number(self.record().key())
    }

    /// The unique id, if the table was read by statmount(2).
    #[must_use]
    pub fn unique_id(&self) -> Option<UniqueMountId> {
        UniqueMountId::from_number(self.record().unique)
    }

    /// Its id in mountinfo.
    #[must_use]
    pub fn mountinfo_id(&self) -> MountinfoId {
        MountinfoId::from_number(self.record().id)
    }

    /// The id in mountinfo of the mount that it is on.
    #[must_use]
    pub fn parent_mountinfo_id(&self) -> MountinfoId {
        MountinfoId::from_number(self.record().parent)
    }

    /// The mount that it is on; `None` for a root of the table.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let index = self.table.links().parent(self.index)?;
        Some(Self { table: self.table, index })
    }

    /// The mounts on it, in the order in which they were made. One with the same target lies on top of it.
    pub fn children(&self) -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator + use<'a> {
        let table = self.table;
        table.links().children(self.index).iter().map(move |index| Self { table, index: *index as usize })
    }

    /// Major and minor number of the file system's device.
    #[must_use]
    pub fn device(&self) -> Option<(u32, u32)> {
        self.table.fields.contains(crate::table::fields::Fields::DEVICE).then_some(self.record().device)
    }

    /// The peer group it is in: mounts of one group pass on to each other what is mounted and unmounted in them.
    #[must_use]
    pub fn shared(&self) -> Option<u64> {
        Some(self.record().shared).filter(|group| *group != 0)
    }

    /// The peer group that it receives from.
    #[must_use]
    pub fn master(&self) -> Option<u64> {
        Some(self.record().master).filter(|group| *group != 0)
    }

    /// The nearest group of this namespace that it receives from, where that is not its master.
    #[must_use]
    pub fn propagate_from(&self) -> Option<u64> {
        Some(self.record().from).filter(|group| *group != 0)
    }

    /// It can't be bound.
    #[must_use]
    pub fn is_unbindable(&self) -> bool {
        self.record().unbindable
    }

    /// The other mounts of its peer group in this table.
    pub fn peers(&self) -> impl Iterator<Item = Self> + use<'a> {
        let (own, group) = (self.index, self.shared());
        self.table.iter().filter(move |e| group.is_some() && e.shared() == group && e.index != own)
    }

    /// The mounts of this table that it receives from.
    pub fn masters(&self) -> impl Iterator<Item = Self> + use<'a> {
        let master = self.master();
        self.table.iter().filter(move |e| master.is_some() && e.shared() == master)
    }

    /// The directory of the file system that is its root.
    #[must_use]
    pub fn root(&self) -> &'a Path {
        Path::new(self.text(self.record().root))
    }

    /// Where it is, seen from the root directory; the bytes as they are.
    #[must_use]
    pub fn target(&self) -> &'a Path {
        Path::new(self.text(self.record().target))
    }

    /// Its own options: `rw,nosuid,relatime`.
    #[must_use]
    pub fn options(&self) -> &'a OsStr {
        self.text(self.record().options)
    }

    /// The file system's type.
    #[must_use]
    pub fn fstype(&self) -> &'a OsStr {
        self.text(self.record().fstype)
    }

    /// The source.
    #[must_use]
    pub fn source(&self) -> &'a OsStr {
        self.text(self.record().source)
    }

    /// The file system's options.
    #[must_use]
    pub fn super_options(&self) -> &'a OsStr {
        self.text(self.record().super_options)
    }

    /// How an idmapped mount maps users, a line for each mapping, as in user_namespaces(7).
    #[must_use]
    pub fn uid_map(&self) -> &'a OsStr {
        self.text(self.record().uid_map)
    }

    /// How it maps groups.
    #[must_use]
    pub fn gid_map(&self) -> &'a OsStr {
        self.text(self.record().gid_map)
    }

    /// The same as a value of its own. An empty type or path is one that was not asked for.
    #[must_use]
    pub fn to_entry(&self) -> MountEntry {
        MountEntry::of(self.record(), &self.table.text)
    }
}

impl fmt::Debug for TableEntry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_entry().fmt(f)
    }
}

/// A snapshot of the mount table of a mount namespace: what can be seen below a root directory.
///
/// A mount that stays where it is while the table is read is in it, whatever comes and goes meanwhile. Mounts are in the
/// order in which they were made, stacked ones from the bottom up.
///
/// ```
/// use fmountat::table::{Fields, Table};
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
    strategy: TableStrategy,
    links: OnceLock<Links>,
}

impl Table {
    pub(crate) fn new(records: Vec<Record>, text: Text, fields: Fields, strategy: TableStrategy) -> Self {
        Self { records, text, fields, strategy, links: OnceLock::new() }
    }

    /// What it knows of each mount: what was asked for, where the kernel could tell it, and what came without cost.
    #[must_use]
    pub fn fields(&self) -> Fields {
        self.fields
    }

    /// The interface it was read by, never [`TableStrategy::Auto`].
    #[must_use]
    pub fn strategy(&self) -> TableStrategy {
        self.strategy
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
        let index = match id {
            MountId::Unique(id) => self.links().by_unique(id.get()),
            MountId::Mountinfo(id) => self.links().by_number(id.get()),
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
