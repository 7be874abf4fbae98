// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One mount of a snapshot.

use super::mountinfo::MountEntry;
use super::record::Record;
use super::snapshot::Table;
use crate::vfs::identity::MountId;
use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

/// One mount of a [`Table`], as long as that lives. What was not asked for ([`Fields`](crate::Fields)) is empty or `None`.
#[derive(Clone, Copy)]
pub struct TableEntry<'a> {
    pub(crate) table: &'a Table,
    pub(crate) index: usize,
}

impl<'a> TableEntry<'a> {
    pub(crate) fn record(&self) -> &'a Record {
        &self.table.records[self.index]
    }

    fn text(&self, span: super::record::Span) -> &'a OsStr {
        self.table.text.get(span)
    }

    /// Its identity: the unique id where the table has it, else the id of mountinfo.
    #[must_use]
    pub fn id(&self) -> MountId {
        MountId::from_number(self.record().key())
    }

    /// The unique id, if the table was read by statmount(2).
    #[must_use]
    pub fn unique_id(&self) -> Option<MountId> {
        Some(self.record().unique).filter(|id| *id != 0).map(MountId::from_number)
    }

    /// The id of mountinfo, which another mount may have once this one is gone.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.record().id
    }

    /// The id of mountinfo of the mount that it is on.
    #[must_use]
    pub fn parent_number(&self) -> u64 {
        self.record().parent
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
        self.table.fields.contains(super::fields::Fields::DEVICE).then_some(self.record().device)
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
