// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A snapshot of the mount table and one mount in it.

use crate::mountinfo::MountEntry;
use crate::mountinfo::id::{MountId, MountinfoId, UniqueMountId};
use crate::mountinfo::record::{Record, Text};
use crate::table::fields::{Fields, TableStrategy};
use crate::table::links::Links;
use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

/// One mount of a [`Table`], borrowed from it. Fields that were not requested
/// ([`Fields`](crate::table::fields::Fields)) are empty or `None`.
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

    /// Returns the unique id if the table has unique ids, else the mountinfo id.
    #[must_use]
    pub fn id(&self) -> MountId {
        MountId::from_number(self.record().key())
    }

    /// Returns the unique id, if the table was read by statmount(2).
    #[must_use]
    pub fn unique_id(&self) -> Option<UniqueMountId> {
        UniqueMountId::from_number(self.record().unique)
    }

    /// Returns the mountinfo id.
    #[must_use]
    pub fn mountinfo_id(&self) -> MountinfoId {
        MountinfoId::from_number(self.record().id)
    }

    /// Returns the mountinfo id of the parent mount.
    #[must_use]
    pub fn parent_mountinfo_id(&self) -> MountinfoId {
        MountinfoId::from_number(self.record().parent)
    }

    /// Returns the parent mount, or `None` for a root of the table.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let index = self.table.links().parent(self.index)?;
        Some(Self { table: self.table, index })
    }

    /// Returns the child mounts in the order of their creation. A child with the same target is
    /// stacked on this mount.
    pub fn children(&self) -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator + use<'a> {
        let table = self.table;
        table.links().children(self.index).iter().map(move |index| Self { table, index: *index as usize })
    }

    /// Returns the device number of the file system as (major, minor).
    #[must_use]
    pub fn device(&self) -> Option<(u32, u32)> {
        self.table.fields.contains(crate::table::fields::Fields::DEVICE).then_some(self.record().device)
    }

    /// Returns the peer group of a shared mount. Peers propagate mount and unmount events to each
    /// other.
    #[must_use]
    pub fn shared(&self) -> Option<u64> {
        Some(self.record().shared).filter(|group| *group != 0)
    }

    /// Returns the peer group that a slave receives propagation from.
    #[must_use]
    pub fn master(&self) -> Option<u64> {
        Some(self.record().master).filter(|group| *group != 0)
    }

    /// Returns the closest dominant peer group (`propagate_from` of mountinfo), if that is not the
    /// master.
    #[must_use]
    pub fn propagate_from(&self) -> Option<u64> {
        Some(self.record().from).filter(|group| *group != 0)
    }

    /// Reports whether the mount is unbindable: it cannot be the source of a bind mount.
    #[must_use]
    pub fn is_unbindable(&self) -> bool {
        self.record().unbindable
    }

    /// Returns the other members of its peer group in this table.
    pub fn peers(&self) -> impl Iterator<Item = Self> + use<'a> {
        let (own, group) = (self.index, self.shared());
        self.table.iter().filter(move |e| group.is_some() && e.shared() == group && e.index != own)
    }

    /// Returns the mounts of this table in its master's peer group.
    pub fn masters(&self) -> impl Iterator<Item = Self> + use<'a> {
        let master = self.master();
        self.table.iter().filter(move |e| master.is_some() && e.shared() == master)
    }

    /// Returns the directory of the file system that is the root of the mount.
    #[must_use]
    pub fn root(&self) -> &'a Path {
        Path::new(self.text(self.record().root))
    }

    /// Returns the mount point, relative to the root directory, unescaped.
    #[must_use]
    pub fn target(&self) -> &'a Path {
        Path::new(self.text(self.record().target))
    }

    /// Returns the per-mount options: `rw,nosuid,relatime`.
    #[must_use]
    pub fn options(&self) -> &'a OsStr {
        self.text(self.record().options)
    }

    /// Returns the file system type.
    #[must_use]
    pub fn fstype(&self) -> &'a OsStr {
        self.text(self.record().fstype)
    }

    /// Returns the mount source.
    #[must_use]
    pub fn source(&self) -> &'a OsStr {
        self.text(self.record().source)
    }

    /// Returns the per-superblock options.
    #[must_use]
    pub fn super_options(&self) -> &'a OsStr {
        self.text(self.record().super_options)
    }

    /// Returns the user mappings of an idmapped mount, one line each, as in user_namespaces(7).
    #[must_use]
    pub fn uid_map(&self) -> &'a OsStr {
        self.text(self.record().uid_map)
    }

    /// Returns the group mappings of an idmapped mount, one line each.
    #[must_use]
    pub fn gid_map(&self) -> &'a OsStr {
        self.text(self.record().gid_map)
    }

    /// Returns an owned copy. An empty type or path is one that was not requested.
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

/// A snapshot of the mount table of a mount namespace: the mounts visible below a root directory.
///
/// A mount that does not change while the table is read is in the snapshot, even if other mounts
/// are created and unmounted meanwhile. Mounts are listed in the order of their creation, a stack
/// from the bottom up.
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

    /// Returns the fields that the table holds: those requested that the kernel provides, and those
    /// that cost nothing extra.
    #[must_use]
    pub fn fields(&self) -> Fields {
        self.fields
    }

    /// Returns the interface that the table was read from, never [`TableStrategy::Auto`].
    #[must_use]
    pub fn strategy(&self) -> TableStrategy {
        self.strategy
    }

    /// Returns the number of mounts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Reports whether the table has no mounts.
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

    /// Returns all mounts.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = TableEntry<'_>> + ExactSizeIterator {
        (0..self.records.len()).map(|index| self.entry(index))
    }

    /// Returns the mounts without a parent in the table. This is the mount at `/` alone, unless the
    /// root directory is not the root of a mount.
    pub fn roots(&self) -> impl DoubleEndedIterator<Item = TableEntry<'_>> + ExactSizeIterator {
        self.links().roots().iter().map(|index| self.entry(*index as usize))
    }

    /// Returns all mounts in depth-first order, parents first, each with its depth.
    pub fn walk(&self) -> impl Iterator<Item = (usize, TableEntry<'_>)> {
        let mut rest: Vec<(usize, TableEntry<'_>)> = self.roots().rev().map(|root| (0, root)).collect();
        std::iter::from_fn(move || {
            let (depth, entry) = rest.pop()?;
            rest.extend(entry.children().rev().map(|child| (depth + 1, child)));
            Some((depth, entry))
        })
    }

    /// Returns the mount with this id: a unique id, if the table has them, or a mountinfo id.
    #[must_use]
    pub fn get(&self, id: MountId) -> Option<TableEntry<'_>> {
        let index = match id {
            MountId::Unique(id) => self.links().by_unique(id.get()),
            MountId::Mountinfo(id) => self.links().by_number(id.get()),
        };
        index.map(|index| self.entry(index))
    }

    /// Returns the mounts with this source.
    pub fn with_source(&self, source: impl AsRef<OsStr>) -> impl Iterator<Item = TableEntry<'_>> {
        self.iter().filter(move |entry| entry.source() == source.as_ref())
    }

    /// Returns the mounts of this type; `fuse` also matches `fuse.sshfs`.
    pub fn with_type(&self, fstype: impl AsRef<OsStr>) -> impl Iterator<Item = TableEntry<'_>> {
        self.iter().filter(move |entry| is_type(entry.fstype(), fstype.as_ref()))
    }

    /// Returns the mounts at `path` and below it, compared by component: `/a/bc` is not below
    /// `/a/b`.
    pub fn below(&self, path: impl AsRef<Path>) -> impl Iterator<Item = TableEntry<'_>> {
        self.iter().filter(move |entry| entry.target().starts_with(path.as_ref()))
    }

    /// Returns the mounts stacked at `path`, from the bottom up.
    #[must_use]
    pub fn stack(&self, path: impl AsRef<Path>) -> Vec<TableEntry<'_>> {
        let path = path.as_ref();
        let mut stack: Vec<_> = self.iter().filter(|entry| entry.target() == path).collect();
        // The order of creation differs from the stack after a move or a mount beneath.
        let depth = |entry: &TableEntry<'_>| std::iter::successors(Some(*entry), TableEntry::parent).count();
        stack.sort_by_cached_key(depth);
        stack
    }

    /// Returns the visible mount at `path`: the top of the stack.
    #[must_use]
    pub fn at(&self, path: impl AsRef<Path>) -> Option<TableEntry<'_>> {
        self.stack(path).pop()
    }
}

/// Reports whether the type `fstype` matches `wanted`.
pub(crate) fn is_type(fstype: &OsStr, wanted: &OsStr) -> bool {
    let rest = fstype.as_encoded_bytes().strip_prefix(wanted.as_encoded_bytes());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
