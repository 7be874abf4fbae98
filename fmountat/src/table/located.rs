// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One mount of this namespace, found by its id.

use super::mountinfo::{self, MountEntry};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::statmount::{MNT_BASIC, statmount};
use crate::vfs::identity::MountId;
use rustix::io::Errno;

/// Unique ids begin above the numbers that mountinfo can have (`MNT_UNIQUE_ID_OFFSET`, fs/namespace.c).
const UNIQUE_FROM: u64 = 1 << 31;

/// The number that mountinfo has for a mount: `statmount(2)` for a unique id \[Linux 6.8\].
pub(crate) fn table_id(id: MountId) -> Result<u64> {
    if id.get() <= UNIQUE_FROM {
        return Ok(id.get());
    }
    match statmount(id.get(), MNT_BASIC) {
        Ok(told) => told.basic.map(|basic| basic.old_id).ok_or_else(|| not_here(id)),
        Err(Errno::NOENT) => Err(not_here(id)),
        Err(errno) => Err(Error::sys("find the mount", "statmount", errno).arg(id.get().to_string())),
    }
}

/// The line of the table for a mount.
pub(crate) fn entry(table: &[MountEntry], id: MountId) -> Result<&MountEntry> {
    let number = table_id(id)?;
    table.iter().find(|entry| entry.id == number).ok_or_else(|| not_here(id))
}

/// The table, and the line in it for a mount.
pub(crate) fn read_with(id: MountId) -> Result<(Vec<MountEntry>, MountEntry)> {
    let table = mountinfo::read()?;
    let found = entry(&table, id)?.clone();
    Ok((table, found))
}

fn not_here(id: MountId) -> Error {
    let reason = "this mount namespace has no mount with this id below its root directory";
    Error::new(ErrorKind::NotMounted, "find the mount", reason).arg(id.get().to_string())
}
