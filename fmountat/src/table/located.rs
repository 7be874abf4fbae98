// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Looks up one mount of this namespace by its id.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::mountinfo;
use crate::mountinfo::MountEntry;
use crate::mountinfo::id::{MountId, MountinfoId};
use crate::sys::statmount::{FS_TYPE, MNT_BASIC, MNT_POINT, StatMount, statmount};
use rustix::io::Errno;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Returns the mountinfo id of a mount; for a unique id by statmount(2) \[Linux 6.8\].
pub(crate) fn table_id(id: MountId) -> Result<MountinfoId> {
    if let MountId::Mountinfo(id) = id {
        return Ok(id);
    }
    let basic = query(id, MNT_BASIC)?.and_then(|stat| stat.basic);
    basic.map(|basic| MountinfoId::from_number(basic.old_id)).ok_or_else(|| not_here(id))
}

/// Returns the mount point, relative to the caller's root directory.
pub(crate) fn point(id: MountId) -> Result<PathBuf> {
    match query(id, MNT_POINT)? {
        Some(stat) => {
            let point = stat.mnt_point.filter(|point| !point.is_empty()).ok_or_else(|| not_here(id))?;
            Ok(OsString::from_vec(point).into())
        }
        None => Ok(read_with(id)?.1.target),
    }
}

/// Returns the file system type. It may lack the subtype: `fuse` for `fuse.sshfs`.
pub(crate) fn fs_type(id: MountId) -> Result<OsString> {
    match query(id, FS_TYPE)? {
        Some(stat) => Ok(OsString::from_vec(stat.fs_type.unwrap_or_default())),
        None => Ok(read_with(id)?.1.fstype),
    }
}

/// Queries statmount(2). Returns `None` for a mountinfo id, which statmount(2) does not accept.
fn query(id: MountId, mask: u64) -> Result<Option<StatMount>> {
    if id.unique().is_none() {
        return Ok(None);
    }
    match statmount(id.get(), mask) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Err(not_here(id)),
        Err(errno) => {
            Err(Error::sys(Operation::FindMount, Syscall::Statmount, errno)
                .with_argument(id.get().to_string()))
        }
    }
}

/// Returns the table's entry for a mount.
pub(crate) fn entry(table: &[MountEntry], id: MountId) -> Result<&MountEntry> {
    let number = table_id(id)?;
    table.iter().find(|entry| entry.id == number).ok_or_else(|| not_here(id))
}

/// Reads the table and returns it with the entry for a mount.
pub(crate) fn read_with(id: MountId) -> Result<(Vec<MountEntry>, MountEntry)> {
    let table = mountinfo::read()?;
    let found = entry(&table, id)?.clone();
    Ok((table, found))
}

fn not_here(id: MountId) -> Error {
    let reason = "this mount namespace has no mount with this id below its root directory";
    Error::new(ErrorKind::NotMounted, Operation::FindMount, reason).with_argument(id.get().to_string())
}
