// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `listmount(2)` \[Linux 6.8\]: unique ids of mounts.

use super::result;
use rustix::io::Errno;

/// `struct mnt_id_req` of `<linux/mount.h>`, version 0.
#[repr(C)]
struct MntIdReq {
    size: u32,
    spare: u32,
    mnt_id: u64,
    param: u64,
}

const _: () = assert!(size_of::<MntIdReq>() == 24);

/// In place of a mount's id: the root of the namespace, as the caller sees it.
pub(crate) const LSMT_ROOT: u64 = u64::MAX;

const SYS_LISTMOUNT: libc::c_long = 458;

/// Whether at least `limit` (at most 128) mounts lie below the mount with this unique id. Where it can't be told: yes.
pub(crate) fn has_mounts_below(mount: u64, limit: usize) -> bool {
    let request = MntIdReq { size: size_of::<MntIdReq>() as u32, spare: 0, mnt_id: mount, param: 0 };
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
    loop {
        let after = ids.last().copied().unwrap_or(first);
        let request = MntIdReq { size: size_of::<MntIdReq>() as u32, spare: 0, mnt_id: mount, param: after };
        let start = ids.len();
        ids.resize(start + PAGE, 0u64);
        let room = ids[start..].as_mut_ptr();
        // SAFETY: the request is a live structure of the size it says, and the kernel writes at most `PAGE` numbers to
        // the end of the vector, which has just grown by as many.
        let count = unsafe { libc::syscall(SYS_LISTMOUNT, &raw const request, room, PAGE, 0) };
        let count = usize::try_from(result(count)?).unwrap_or(0);
        ids.truncate(start + count);
        if count < PAGE {
            return Ok(ids);
        }
    }
}

/// The unique id of the newest mount that is seen below our root: `LISTMOUNT_REVERSE` \[Linux 6.11\].
pub(crate) fn newest_mount() -> Result<u64, Errno> {
    const LISTMOUNT_REVERSE: libc::c_uint = 1;
    let request = MntIdReq { size: size_of::<MntIdReq>() as u32, spare: 0, mnt_id: LSMT_ROOT, param: 0 };
    let mut id = 0u64;
    // SAFETY: the request is a live structure of the size it says, and the kernel writes one number at most.
    let count =
        unsafe { libc::syscall(SYS_LISTMOUNT, &raw const request, &raw mut id, 1usize, LISTMOUNT_REVERSE) };
    if result(count)? == 1 { Ok(id) } else { Err(Errno::NOENT) }
}
