// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One mount of this namespace, found by its id.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::mountinfo;
use crate::mountinfo::MountEntry;
use crate::mountinfo::id::{MountId, MountinfoId};
use crate::sys::statmount::{FS_TYPE, MNT_BASIC, MNT_POINT, StatMount, statmount};
use rustix::io::Errno;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Returns the id that mountinfo has for a mount: `statmount(2)` for a unique id \[Linux 6.8\].
pub(crate) fn table_id(id: MountId) -> Result<MountinfoId> {
    if let MountId::Mountinfo(id) = id {
        return Ok(id);
    }
    let basic = ask(id, MNT_BASIC)?.and_then(|told| told.basic);
    basic.map(|basic| MountinfoId::from_number(basic.old_id)).ok_or_else(|| not_here(id))
}

/// Where a mount is, seen from the caller's root.
pub(crate) fn point(id: MountId) -> Result<PathBuf> {
    match ask(id, MNT_POINT)? {
        Some(told) => {
            let point = told.mnt_point.filter(|point| !point.is_empty()).ok_or_else(|| not_here(id))?;
            Ok(OsString::from_vec(point).into())
        }
        None => Ok(read_with(id)?.1.target),
    }
}

/// The type of the file system, which may lack a subtype: `fuse` for `fuse.sshfs`.
pub(crate) fn fs_type(id: MountId) -> Result<OsString> {
    match ask(id, FS_TYPE)? {
        Some(told) => Ok(OsString::from_vec(told.fs_type.unwrap_or_default())),
        None => Ok(read_with(id)?.1.fstype),
    }
}

/// What statmount(2) says; `None` for an id of mountinfo, which it does not take.
fn ask(id: MountId, mask: u64) -> Result<Option<StatMount>> {
    if id.unique().is_none() {
        return Ok(None);
    }
    match statmount(id.get(), mask) {
        Ok(told) => Ok(Some(told)),
        Err(Errno::NOENT) => Err(not_here(id)),
        Err(errno) => {
            Err(Error::sys(Operation::FindMount, Syscall::Statmount, errno)
                .with_argument(id.get().to_string()))
        }
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
    let reason = "no mount with this id is visible in this mount namespace";
    Error::new(ErrorKind::NotMounted, Operation::FindMount, reason).with_argument(id.get().to_string())
}
