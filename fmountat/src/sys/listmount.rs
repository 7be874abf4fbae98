// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `listmount(2)` \[Linux 6.8\]: unique ids of mounts.

use crate::sys::errno::result;
use crate::sys::statmount::{MntIdReq, may_be_asked};
use rustix::io::Errno;

/// In place of a mount's id: the root of the namespace, as seen by the caller.
pub(crate) const LSMT_ROOT: u64 = u64::MAX;

const SYS_LISTMOUNT: libc::c_long = 458;

/// Reports whether at least `limit` (at most 1,024) mounts are below the mount with this
/// unique id. Returns true where the call is missing or fails.
pub(crate) fn has_mounts_below(mount: u64, limit: usize) -> bool {
    if !may_be_asked() {
        return true;
    }
    let request = MntIdReq::new(mount, 0, 0);
    let mut ids = [0u64; 1024];
    let room = limit.min(ids.len());
    // SAFETY: the request is a live structure of its stated size, and the kernel writes at most
    // `room` numbers.
    let count = unsafe { libc::syscall(SYS_LISTMOUNT, &raw const request, ids.as_mut_ptr(), room, 0) };
    !matches!(result(count), Ok(count) if usize::try_from(count).is_ok_and(|count| count < room))
}

/// Returns the unique ids of all mounts below this mount that are newer than `first`, in
/// order of creation. The kernel visits every mount of the namespace that is newer.
pub(crate) fn mounts_below(mount: u64, first: u64) -> Result<Vec<u64>, Errno> {
    const PAGE: usize = 512;
    let mut ids = Vec::new();
    pages(|after| MntIdReq::new(mount, after, 0), first, PAGE, &mut ids)?;
    Ok(ids)
}

/// Replaces `ids` with the unique ids of all mounts visible from the root, in order of creation.
/// `namespace` is the id of the mount namespace, or 0 for the caller's. `root` is the mount of the
/// root directory; without it the list starts at the first mount of the namespace.
pub(crate) fn all_mounts(namespace: u64, root: Option<u64>, ids: &mut Vec<u64>) -> Result<(), Errno> {
    const PAGE: usize = 4096;
    ids.clear();
    pages(|after| MntIdReq::new(root.unwrap_or(LSMT_ROOT), after, namespace), 0, PAGE, ids)?;
    if let Some(root) = root {
        ids.insert(ids.partition_point(|id| *id < root), root);
    }
    Ok(())
}

/// Calls listmount(2) page by page and appends the ids to `ids`.
///
/// Each page starts after the last id of the one before, and ids only grow. So a mount that exists
/// throughout is always listed, whatever is attached or detached meanwhile.
fn pages(ask: impl Fn(u64) -> MntIdReq, first: u64, page: usize, ids: &mut Vec<u64>) -> Result<(), Errno> {
    if !may_be_asked() {
        return Err(Errno::NOSYS);
    }
    loop {
        let request = ask(ids.last().copied().unwrap_or(first));
        let start = ids.len();
        ids.resize(start + page, 0u64);
        let room = ids[start..].as_mut_ptr();
        // SAFETY: the request is a live structure of its stated size, and the kernel writes at most
        // `page` numbers to the end of the vector, which has just grown by as many.
        let count = unsafe { libc::syscall(SYS_LISTMOUNT, &raw const request, room, page, 0) };
        let count = result(count).map(|count| usize::try_from(count).unwrap_or(0));
        ids.truncate(start + *count.as_ref().unwrap_or(&0));
        if count? < page {
            return Ok(());
        }
    }
}

/// Returns the unique id of the first mount visible below the root that is newer than `after`. With
/// `reverse` \[Linux 6.11\] returns the last one that is older (0: the newest of all). `namespace`
/// is the id of the mount namespace, or 0 for the caller's.
pub(crate) fn next_mount(namespace: u64, after: u64, reverse: bool) -> Result<u64, Errno> {
    if !may_be_asked() {
        return Err(Errno::NOSYS);
    }
    let request = MntIdReq::new(LSMT_ROOT, after, namespace);
    let mut id = 0u64;
    let flags = libc::c_uint::from(reverse);
    // SAFETY: the request is a live structure of its stated size, and the kernel writes at most one
    // number.
    let count = unsafe { libc::syscall(SYS_LISTMOUNT, &raw const request, &raw mut id, 1usize, flags) };
    if result(count)? == 1 { Ok(id) } else { Err(Errno::NOENT) }
}

/// Returns the unique id of the newest mount visible below our root: `LISTMOUNT_REVERSE` \[Linux
/// 6.11\].
pub(crate) fn newest_mount() -> Result<u64, Errno> {
    next_mount(0, 0, true)
}
