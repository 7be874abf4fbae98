// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A parsed entry of `/proc/PID/mountinfo`: proc_pid_mountinfo(5).

use crate::error::{Operation, Result};
use crate::mountinfo::id::{MountId, MountinfoId, UniqueMountId};
use crate::mountinfo::parse::parse_records;
use crate::mountinfo::read::Reading;
use crate::mountinfo::record::{Record, Text};
use crate::sys::procfs;
use rustix::fs::OFlags;
use std::collections::HashSet;
use std::ffi::OsString;
use std::path::PathBuf;

/// One mount of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MountEntry {
    /// The mount id, reused after the unmount.
    pub id: MountinfoId,
    /// The id of the parent mount.
    pub parent: MountinfoId,
    /// The kernel's unique id. mountinfo lacks it.
    pub unique_id: Option<UniqueMountId>,
    /// The device number of the file system as (major, minor).
    pub device: (u32, u32),
    /// The peer group of a shared mount. Peers propagate mount and unmount events to each other.
    pub shared: Option<u64>,
    /// The peer group that a slave receives propagation from.
    pub master: Option<u64>,
    /// The closest dominant peer group, if it is not the master and was requested;
    /// [`find`](crate::table::find::find) does not request it.
    pub propagate_from: Option<u64>,
    /// The mount cannot be the source of a bind mount.
    pub unbindable: bool,
    /// The directory of the file system that is the root of the mount.
    pub root: PathBuf,
    /// The mount point, relative to the reader's root directory, unescaped.
    pub target: PathBuf,
    /// Per-mount options.
    pub options: OsString,
    /// The file system type.
    pub fstype: OsString,
    /// The mount source.
    pub source: OsString,
    /// The per-superblock options.
    pub super_options: OsString,
}

/// Reads the mount table of this thread's namespace.
///
/// # Errors
/// [`ErrorKind::Unsupported`](crate::error::kind::ErrorKind::Unsupported) without a genuine /proc;
/// [`ErrorKind::System`](crate::error::kind::ErrorKind::System) for a line that cannot be parsed.
pub fn read() -> Result<Vec<MountEntry>> {
    const TABLE: &str = "thread-self/mountinfo";
    let file = procfs::open(TABLE, OFlags::RDONLY)
        .map_err(|e| procfs::failed(Operation::ReadMountTable, TABLE, e))?;
    let mut reading = Reading::of(&file);
    reading.rest(None)?;
    let (records, text) = reading.records()?;
    Ok(entries(&records, &text))
}

/// Parses the text of a mountinfo file.
///
/// # Errors
/// [`ErrorKind::System`](crate::error::kind::ErrorKind::System) with the line, if it does not have
/// the documented format.
pub fn parse(text: &[u8]) -> Result<Vec<MountEntry>> {
    let (records, text) = parse_records(text.to_vec())?;
    Ok(entries(&records, &text))
}

fn entries(records: &[Record], text: &Text) -> Vec<MountEntry> {
    records.iter().map(|record| MountEntry::of(record, text)).collect()
}

impl MountEntry {
    /// Returns the unique id, else the mountinfo id.
    #[must_use]
    pub fn mount_id(&self) -> MountId {
        self.unique_id.map_or(MountId::Mountinfo(self.id), MountId::Unique)
    }

    /// Makes an entry from a record and its strings.
    pub(crate) fn of(record: &Record, text: &Text) -> Self {
        let group = |number: u64| Some(number).filter(|number| *number != 0);
        let string = |span| text.get(span).to_owned();
        Self {
            id: MountinfoId::from_number(record.id),
            parent: MountinfoId::from_number(record.parent),
            unique_id: UniqueMountId::from_number(record.unique),
            device: record.device,
            shared: group(record.shared),
            master: group(record.master),
            propagate_from: group(record.from),
            unbindable: record.unbindable,
            root: string(record.root).into(),
            target: string(record.target).into(),
            options: string(record.options),
            fstype: string(record.fstype),
            source: string(record.source),
            super_options: string(record.super_options),
        }
    }
}

/// Returns the mount `id` and all mounts below it in the order of unmounting, children first.
pub(crate) fn deepest_first(entries: &[MountEntry], id: MountinfoId) -> Vec<&MountEntry> {
    let mut order: Vec<&MountEntry> = entries.iter().filter(|e| e.id == id).collect();
    let mut at = 0;
    // A table that changed while it was read may contain a cycle.
    let mut seen: HashSet<MountinfoId> = HashSet::from([id]);
    order.truncate(1);
    while at < order.len() {
        let parent = order[at].id;
        order.extend(entries.iter().filter(|e| e.parent == parent && seen.insert(e.id)));
        at += 1;
    }
    order.reverse();
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_come_before_their_parents() {
        let line = |id: u64, parent: u64, at: &str| format!("{id} {parent} 0:1 / {at} rw - tmpfs t rw\n");
        let text =
            [line(1, 1, "/"), line(2, 1, "/a"), line(9, 2, "/a/b"), line(4, 9, "/a/b/c"), line(5, 2, "/a")]
                .concat();
        let entries = parse(text.as_bytes()).unwrap();
        let order = deepest_first(&entries, MountinfoId::from_number(2));
        let order: Vec<u64> = order.iter().map(|e| e.id.get()).collect();
        assert_eq!(order, [4, 5, 9, 2]);
    }
}
