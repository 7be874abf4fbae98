// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `listmount(2)` \[Linux 6.8\]: unique ids of mounts.

use crate::sys::errno::result;
use crate::sys::statmount::{MntIdReq, may_be_asked};
use rustix::io::Errno;

/// In place of a mount's id: the root of the namespace, as the caller sees it.
pub(crate) const LSMT_ROOT: u64 = u64::MAX;

const SYS_LISTMOUNT: libc::c_long = 458;

/// Whether at least `limit` (at most 128) mounts lie below the mount with this unique id. Where it can't be told: yes.
pub(crate) fn has_mounts_below(mount: u64, limit: usize) -> bool {
    if !may_be_asked() {
        return true;
    }
    let request = MntIdReq::new(mount, 0, 0);
    let mut ids = [0u64; 128];
    let room = limit.min(ids.len());
    // SAFETY: the request is a live structure of the size it says, and the kernel writes at most `room` numbers.
    let count = unsafe { libc::syscall(SYS_LISTMOUNT, &raw const request, ids.as_mut_ptr(), room, 0) };
    !matches!(result(count), Ok(count) if usize::try_from(count).is_ok_and(|count| count < room))
}

/// The unique ids of all mounts below the mount with this one, in the order in which they were made, from after `first` on.
/// The kernel looks at every mount of the namespace that is newer than that.
pub(crate) fn mounts_below(mount: u64, first: u64) -> Result<Vec<u64>, Errno> {
    const PAGE: usize = 512;
    let mut ids = Vec::new();
    pages(|after| MntIdReq::new(mount, after, 0), first, PAGE, &mut ids)?;
    Ok(ids)
}

/// The unique ids of all mounts that are seen from the root, in the order in which they were made, in place of what `ids`
/// holds: of the mount namespace with the id `namespace`, or of the caller's for 0. `root` is the mount that the root
/// directory is on, and the first mount that the namespace has without it.
pub(crate) fn all_mounts(namespace: u64, root: Option<u64>, ids: &mut Vec<u64>) -> Result<(), Errno> {
    const PAGE: usize = 4096;
    ids.clear();
    pages(|after| MntIdReq::new(root.unwrap_or(LSMT_ROOT), after, namespace), 0, PAGE, ids)?;
    if let Some(root) = root {
        ids.insert(ids.partition_point(|id| *id < root), root);
    }
    Ok(())
}

/// Asks page by page, and adds what comes to `ids`.
///
/// A page goes on after the last id of the one before, and ids only grow: a mount that stays is in one of them, whatever
/// comes and goes between.
fn pages(ask: impl Fn(u64) -> MntIdReq, first: u64, page: usize, ids: &mut Vec<u64>) -> Result<(), Errno> {
    if !may_be_asked() {
        return Err(Errno::NOSYS);
    }
    loop {
        let request = ask(ids.last().copied().unwrap_or(first));
        let start = ids.len();
        ids.resize(start + page, 0u64);
        let room = ids[start..].as_mut_ptr();
        // SAFETY: the request is a live structure of the size it says, and the kernel writes at most `page` numbers to
        // the end of the vector, which has just grown by as many.
        let count = unsafe { libc::syscall(SYS_LISTMOUNT, &raw const request, room, page, 0) };
        let count = result(count).map(|count| usize::try_from(count).unwrap_or(0));
        ids.truncate(start + *count.as_ref().unwrap_or(&0));
        if count? < page {
            return Ok(());
        }
    }
}

/// The unique id of the first mount that is seen below the root and is newer than `after`, or with `reverse` \[Linux 6.11\]
/// of the last that is older (0 for none); of the mount namespace with the id `namespace`, or of the caller's for 0.
pub(crate) fn next_mount(namespace: u64, after: u64, reverse: bool) -> Result<u64, Errno> {
    if !may_be_asked() {
        return Err(Errno::NOSYS);
    }
    let request = MntIdReq::new(LSMT_ROOT, after, namespace);
    let mut id = 0u64;
    let flags = libc::c_uint::from(reverse);
    // SAFETY: the request is a live structure of the size it says, and the kernel writes one number at most.
    let count = unsafe { libc::syscall(SYS_LISTMOUNT, &raw const request, &raw mut id, 1usize, flags) };
    if result(count)? == 1 { Ok(id) } else { Err(Errno::NOENT) }
}

/// The unique id of the newest mount that is seen below our root: `LISTMOUNT_REVERSE` \[Linux 6.11\].
pub(crate) fn newest_mount() -> Result<u64, Errno> {
    next_mount(0, 0, true)
}
