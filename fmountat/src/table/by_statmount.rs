// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A snapshot by listmount(2) and statmount(2) \[Linux 6.8\].

use crate::error::{Error, Operation, Result, Syscall};
use crate::mountinfo::id::MountId;
use crate::mountinfo::record::{Record, Span, Text, orphans, unescape_in_place};
use crate::sys::statmount::{
    FS_SUBTYPE, FS_TYPE, MNT_BASIC, MNT_GIDMAP, MNT_NS_ID, MNT_OPTS, MNT_POINT, MNT_ROOT, MNT_UIDMAP,
    OPT_SEC_ARRAY, PROPAGATE_FROM, Raw, SB_BASIC, SB_SOURCE, SUPPORTED_MASK, StatBuffer, Told,
};
use crate::table::fields::{BY_STATMOUNT, Fields, READ_TABLE, TableStrategy};
use crate::table::namespace::View;
use crate::table::snapshot::Table;
use crate::trace;
use crate::vfs::probe::kernel_release;
use rustix::io::Errno;
use std::sync::OnceLock;

/// The number of rounds that look up missing parents: a found parent may lack its own.
const ROUNDS: usize = 16;

/// Returns the `STATMOUNT_*` bits that this kernel supports, 0 if it lacks the call or a filter
/// forbids it.
pub(crate) fn supported() -> u64 {
    static SUPPORTED: OnceLock<u64> = OnceLock::new();
    *SUPPORTED.get_or_init(|| {
        let root = rustix::fs::open(
            "/",
            rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        );
        let id = root.ok().and_then(|root| MountId::of(rustix::fd::AsFd::as_fd(&root)).ok());
        let mut buffer = StatBuffer::new();
        let stat = id.and_then(|id| buffer.ask(id.get(), MNT_BASIC | SUPPORTED_MASK, 0).ok());
        stat.map_or(0, |stat| stat.supported().unwrap_or_else(|| of_release(kernel_release())))
    })
}

/// Returns the bits by kernel release: before 6.15 `STATMOUNT_SUPPORTED_MASK` is missing.
fn of_release(release: (u32, u32)) -> u64 {
    let first = SB_BASIC | MNT_BASIC | PROPAGATE_FROM | MNT_ROOT | MNT_POINT | FS_TYPE;
    let later = [((6, 11), MNT_NS_ID | MNT_OPTS), ((6, 13), FS_SUBTYPE | SB_SOURCE | OPT_SEC_ARRAY)];
    later.iter().filter(|(since, _)| release >= *since).fold(first, |all, (_, bits)| all | bits)
}

/// Reads the mounts with these ids and their missing parents.
pub(crate) fn read(ids: &[u64], fields: Fields, view: View, buffer: &mut StatBuffer) -> Result<Table> {
    let mut reading = Reading {
        buffer,
        view,
        mask: fields.mask(),
        records: Vec::with_capacity(ids.len()),
        text: Text::default(),
        last_attr: None,
    };
    for id in ids {
        if let Some(record) = reading.one(*id)? {
            reading.records.push(record);
        }
    }
    if reading.records.is_empty() && !ids.is_empty() {
        // They cannot all have been unmounted: a filter refuses the call.
        return Err(Error::sys(Operation::ReadMountTable, Syscall::Statmount, Errno::PERM));
    }
    reading.complete()?;
    trace::strategy(READ_TABLE, BY_STATMOUNT);
    Ok(Table::new(reading.records, reading.text, fields | Fields::UNIQUE_ID, TableStrategy::Statmount))
}

/// Reads one mount into a table. The table is empty if the namespace lacks the mount or it is not
/// visible. Returns `None` if only the whole table can answer: a mount on `/` may be below the root
/// mount.
pub(crate) fn read_one(
    id: u64,
    fields: Fields,
    view: View,
    buffer: &mut StatBuffer,
) -> Result<Option<Table>> {
    let (records, text) = (Vec::new(), Text::default());
    let mask = fields.mask() | MNT_POINT;
    let mut reading = Reading { buffer, view, mask, records, text, last_attr: None };
    let found = reading.one(id)?;
    let target = found.as_ref().map(|record| reading.text.get(record.target).as_encoded_bytes());
    if target == Some(b"/") && view.root.is_some_and(|root| root != id) {
        return Ok(None);
    }
    // A mount that is not below the root directory has no mount point.
    let records = found.filter(|_| target.is_some_and(|target| !target.is_empty())).into_iter().collect();
    Ok(Some(Table::new(records, reading.text, fields | Fields::UNIQUE_ID, TableStrategy::Statmount)))
}

struct Reading<'a> {
    buffer: &'a mut StatBuffer,
    view: View,
    mask: u64,
    records: Vec<Record>,
    text: Text,
    /// The last mount's attributes and their text: neighbours often have the same.
    last_attr: Option<(u64, Span)>,
}

impl Reading<'_> {
    /// Returns `None` for a mount that was unmounted meanwhile.
    fn one(&mut self, id: u64) -> Result<Option<Record>> {
        let stat = match self.buffer.ask(id, self.mask, self.view.namespace) {
            Ok(stat) => stat,
            // EPERM: it was moved out of reach.
            Err(Errno::NOENT | Errno::PERM) => return Ok(None),
            Err(errno) => {
                return Err(Error::sys(Operation::ReadMountTable, Syscall::Statmount, errno)
                    .with_argument(id.to_string()));
            }
        };
        let mut record = numbers(stat.raw);
        let (mask, text, before) = (self.mask, &mut self.text, self.records.last());
        record.options = match self.last_attr {
            Some((attr, span)) if attr == stat.raw.mnt_attr => span,
            _ => text.add(|out| mount_options(out, stat.raw.mnt_attr))?,
        };
        self.last_attr = Some((stat.raw.mnt_attr, record.options));
        record.root = same_or(text, before.map(|b| b.root), stat.text(MNT_ROOT))?;
        record.target = same_or(text, None, stat.text(MNT_POINT))?;
        record.source = same_or(text, before.map(|b| b.source), stat.text(SB_SOURCE))?;
        record.fstype = match stat.text(FS_SUBTYPE) {
            None => same_or(text, before.map(|b| b.fstype), stat.text(FS_TYPE))?,
            Some(subtype) => {
                let fstype = stat.text(FS_TYPE).unwrap_or_default();
                text.add(|out| out.extend(fstype.iter().chain(b".").chain(subtype)))?
            }
        };
        if mask & MNT_OPTS != 0 {
            record.super_options = text.add(|out| super_options(out, &stat))?;
        }
        if mask & MNT_UIDMAP != 0 {
            record.uid_map = text.add(|out| lines(out, &stat, MNT_UIDMAP))?;
            record.gid_map = text.add(|out| lines(out, &stat, MNT_GIDMAP))?;
        }
        Ok(Some(record))
    }

    /// Adds the parents that were attached after the list was made, so that every mount has its
    /// parent. A single mount without a parent is the root, which always exists.
    fn complete(&mut self) -> Result<()> {
        for _ in 0..ROUNDS {
            let orphans = orphans(&self.records);
            if orphans.len() < 2 {
                break;
            }
            let mut added = Vec::new();
            for n in orphans.into_iter().rev() {
                let parent = self.records[n].parent_unique;
                if added.contains(&parent) || self.view.root == Some(self.records[n].unique) {
                    continue;
                }
                match self.seen_parent(parent)? {
                    Parent::Found(record) => {
                        self.records.push(record);
                        added.push(parent);
                    }
                    Parent::OutOfSight => {}
                    Parent::Gone => match self.one(self.records[n].unique)? {
                        Some(record) if record.parent_unique != parent => {
                            self.records[n] = record;
                            added.push(record.unique);
                        }
                        Some(_) => {}
                        None => {
                            self.records.remove(n);
                        }
                    },
                }
            }
            if added.is_empty() {
                break;
            }
        }
        self.records.sort_by_key(|record| record.unique);
        Ok(())
    }

    fn seen_parent(&mut self, id: u64) -> Result<Parent> {
        match self.buffer.ask(id, MNT_POINT, self.view.namespace) {
            Ok(stat) if stat.text(MNT_POINT).is_none_or(<[u8]>::is_empty) => return Ok(Parent::OutOfSight),
            Err(Errno::PERM) => return Ok(Parent::OutOfSight),
            _ => {}
        }
        Ok(self.one(id)?.map_or(Parent::Gone, Parent::Found))
    }
}

enum Parent {
    Found(Record),
    /// It is not below the root directory, like the parent of the root itself.
    OutOfSight,
    Gone,
}

fn numbers(raw: &Raw) -> Record {
    Record {
        unique: raw.mnt_id,
        parent_unique: raw.mnt_parent_id,
        id: raw.mnt_id_old.into(),
        parent: raw.mnt_parent_id_old.into(),
        device: (raw.sb_dev_major, raw.sb_dev_minor),
        shared: raw.mnt_peer_group,
        master: raw.mnt_master,
        // As in mountinfo: set only if it differs from the master.
        from: if raw.propagate_from == raw.mnt_master { 0 } else { raw.propagate_from },
        unbindable: raw.mnt_propagation & crate::vfs::attr::Propagation::Unbindable.bits() != 0,
        ..Record::default()
    }
}

/// Returns the previous mount's range if the text is the same, else adds it.
fn same_or(text: &mut Text, before: Option<Span>, bytes: Option<&[u8]>) -> Result<Span> {
    let Some(bytes) = bytes else { return Ok(Span::default()) };
    match before {
        Some(span) if text.get(span).as_encoded_bytes() == bytes => Ok(span),
        _ => text.add(|out| out.extend_from_slice(bytes)),
    }
}

/// Writes `MOUNT_ATTR_*` as options in the order of mountinfo (`show_vfsmnt`, fs/proc_namespace.c).
fn mount_options(out: &mut Vec<u8>, attr: u64) {
    const ATIME_FIELD: u64 = 0x70;
    let options = [
        (0x2, ",nosuid"),
        (0x4, ",nodev"),
        (0x8, ",noexec"),
        (0x10, ",noatime"),
        (0x80, ",nodiratime"),
        (0, ",relatime"),
        (0x20_0000, ",nosymfollow"),
        (0x10_0000, ",idmapped"),
    ];
    out.extend_from_slice(if attr & 0x1 != 0 { b"ro" } else { b"rw" });
    for (bit, option) in options {
        let is_set = if bit == 0 { attr & ATIME_FIELD == 0 } else { attr & bit != 0 };
        if is_set {
            out.extend_from_slice(option.as_bytes());
        }
    }
}

/// Writes `SB_*` and the file system's own options in the order of mountinfo (`show_sb_opts`).
fn super_options(out: &mut Vec<u8>, stat: &Told<'_>) {
    let options = [(0x10, ",sync"), (0x80, ",dirsync"), (0x40, ",mand"), (1 << 25, ",lazytime")];
    out.extend_from_slice(if stat.raw.sb_flags & 0x1 != 0 { b"ro" } else { b"rw" });
    for (_, option) in options.iter().filter(|(bit, _)| stat.raw.sb_flags & bit != 0) {
        out.extend_from_slice(option.as_bytes());
    }
    for option in stat.texts(OPT_SEC_ARRAY) {
        out.push(b',');
        out.extend_from_slice(option);
    }
    if let Some(options) = stat.text(MNT_OPTS).filter(|options| !options.is_empty()) {
        out.push(b',');
        let start = out.len();
        out.extend_from_slice(options);
        let length = unescape_in_place(&mut out[start..]);
        out.truncate(start + length);
    }
}

/// Returns the record, per-mount options, per-superblock options and both maps of an answer, for
/// fuzzing.
#[cfg(any(test, fuzzing))]
pub(crate) fn made_of(stat: &Told<'_>) -> (Record, [Vec<u8>; 4]) {
    let mut texts = [const { Vec::new() }; 4];
    let [options, all, users, groups] = &mut texts;
    mount_options(options, stat.raw.mnt_attr);
    super_options(all, stat);
    lines(users, stat, MNT_UIDMAP);
    lines(groups, stat, MNT_GIDMAP);
    (numbers(stat.raw), texts)
}

fn lines(out: &mut Vec<u8>, stat: &Told<'_>, bit: u64) {
    for (n, line) in stat.texts(bit).enumerate() {
        if n > 0 {
            out.push(b'\n');
        }
        out.extend_from_slice(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_of_mountinfo() {
        let text = |attr| {
            let mut out = Vec::new();
            mount_options(&mut out, attr);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(0), "rw,relatime");
        assert_eq!(text(0x1 | 0x2 | 0x10), "ro,nosuid,noatime");
        assert_eq!(text(0x20 | 0x80), "rw,nodiratime");
    }

    #[test]
    fn what_kernels_know_grows() {
        assert_eq!(of_release((6, 8)) & (MNT_OPTS | SB_SOURCE), 0);
        assert_eq!(of_release((6, 12)) & (MNT_OPTS | SB_SOURCE), MNT_OPTS);
        assert_eq!(Fields::MOUNTINFO.mask() & !of_release((6, 13)), 0);
    }
}
