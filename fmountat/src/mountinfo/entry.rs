// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `/proc/PID/mountinfo`, read once and parsed to bytes: proc_pid_mountinfo(5).

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

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MountEntry {
    /// The id, unique while the mount lives.
    pub id: MountinfoId,
    /// The id of the mount it is on.
    pub parent: MountinfoId,
    /// The kernel's unique id, which no line of mountinfo has.
    pub unique_id: Option<UniqueMountId>,
    /// Major and minor number of the file system's device.
    pub device: (u32, u32),
    /// The peer group it is in: mounts of one group pass on to each other what is mounted and unmounted in them.
    pub shared: Option<u64>,
    /// The peer group that it receives from.
    pub master: Option<u64>,
    /// The nearest group of this namespace that it receives from, where that is not its master and was asked for:
    /// [`find`](crate::table::find::find) does not.
    pub propagate_from: Option<u64>,
    /// It can't be bound.
    pub unbindable: bool,
    /// The directory of the file system that is its root.
    pub root: PathBuf,
    /// Where it is, seen from the reader's root; the bytes as they are.
    pub target: PathBuf,
    /// Per-mount options.
    pub options: OsString,
    /// The file system's type.
    pub fstype: OsString,
    /// The source.
    pub source: OsString,
    /// The superblock's options.
    pub super_options: OsString,
}

/// The table of this thread's namespace.
///
/// # Errors
/// [`ErrorKind::Unsupported`](crate::error::kind::ErrorKind::Unsupported) without a true /proc; [`ErrorKind::System`](crate::error::kind::ErrorKind::System) for a line that can't be parsed.
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
/// [`ErrorKind::System`](crate::error::kind::ErrorKind::System), with the line, where it is not of the documented form.
pub fn parse(text: &[u8]) -> Result<Vec<MountEntry>> {
    let (records, text) = parse_records(text.to_vec())?;
    Ok(entries(&records, &text))
}

fn entries(records: &[Record], text: &Text) -> Vec<MountEntry> {
    records.iter().map(|record| MountEntry::of(record, text)).collect()
}

impl MountEntry {
    /// Returns the unique id, or else the id in mountinfo.
    #[must_use]
    pub fn mount_id(&self) -> MountId {
        self.unique_id.map_or(MountId::Mountinfo(self.id), MountId::Unique)
    }

    /// The mount that a record and its strings stand for.
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

/// The entries at and below the mount `id`, each after all that are mounted on it: the order to unmount in.
pub(crate) fn deepest_first(entries: &[MountEntry], id: MountinfoId) -> Vec<&MountEntry> {
    let mut order: Vec<&MountEntry> = entries.iter().filter(|e| e.id == id).collect();
    let mut at = 0;
    // A table that changed while it was read may have mounts on each other.
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
