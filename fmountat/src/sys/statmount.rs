// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `statmount(2)` \[Linux 6.8\]: what the kernel says of one mount, without reading the table.

use super::result;
use rustix::io::Errno;
use std::mem::{MaybeUninit, offset_of};

/// Device numbers.
pub(crate) const SB_BASIC: u64 = 0x1;
/// Ids, parent, propagation.
pub(crate) const MNT_BASIC: u64 = 0x2;
/// The root of the mount in its file system.
pub(crate) const MNT_ROOT: u64 = 0x8;
/// The mount point, seen from the caller's root.
pub(crate) const MNT_POINT: u64 = 0x10;
/// The file system's type.
pub(crate) const FS_TYPE: u64 = 0x20;
/// The mount namespace \[Linux 6.11\].
pub(crate) const MNT_NS_ID: u64 = 0x40;

/// `struct mnt_id_req` of `<linux/mount.h>`, version 0.
#[repr(C)]
struct MntIdReq {
    size: u32,
    spare: u32,
    mnt_id: u64,
    param: u64,
}

const _: () = assert!(size_of::<MntIdReq>() == 24);

/// `struct statmount` of `<linux/mount.h>` without the strings that follow it; their numbers are offsets into those.
#[repr(C)]
#[derive(Clone, Copy)]
struct Raw {
    size: u32,
    mnt_opts: u32,
    mask: u64,
    sb_dev_major: u32,
    sb_dev_minor: u32,
    sb_magic: u64,
    sb_flags: u32,
    fs_type: u32,
    mnt_id: u64,
    mnt_parent_id: u64,
    mnt_id_old: u32,
    mnt_parent_id_old: u32,
    mnt_attr: u64,
    mnt_propagation: u64,
    mnt_peer_group: u64,
    mnt_master: u64,
    propagate_from: u64,
    mnt_root: u32,
    mnt_point: u32,
    mnt_ns_id: u64,
    spare: [u64; 49],
}

const _: () = assert!(size_of::<Raw>() == 512);
const _: () = assert!(offset_of!(Raw, fs_type) == 36 && offset_of!(Raw, mnt_id) == 40);
const _: () = assert!(offset_of!(Raw, mnt_id_old) == 56 && offset_of!(Raw, mnt_peer_group) == 80);
const _: () = assert!(offset_of!(Raw, mnt_root) == 104 && offset_of!(Raw, mnt_ns_id) == 112);

/// What `statmount` found: a field that was not asked for, or that this kernel does not know, is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatMount {
    /// Major and minor number of the file system's device.
    pub(crate) device: Option<(u32, u32)>,
    pub(crate) basic: Option<Basic>,
    pub(crate) fs_type: Option<Vec<u8>>,
    pub(crate) mnt_root: Option<Vec<u8>>,
    pub(crate) mnt_point: Option<Vec<u8>>,
    pub(crate) mnt_ns_id: Option<u64>,
}

/// What [`MNT_BASIC`] asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Basic {
    /// The id that is never used again.
    pub(crate) id: u64,
    pub(crate) parent: u64,
    /// The ids of mountinfo.
    pub(crate) old_id: u64,
    pub(crate) old_parent: u64,
    /// `MOUNT_ATTR_*`.
    pub(crate) attr: u64,
    /// `MS_SHARED` and its like.
    pub(crate) propagation: u64,
    pub(crate) peer_group: u64,
    pub(crate) master: u64,
}

/// `statmount(id, mask)` for a mount of the caller's namespace by its unique id. The buffer grows on `EOVERFLOW`.
pub(crate) fn statmount(id: u64, mask: u64) -> Result<StatMount, Errno> {
    const SYS_STATMOUNT: libc::c_long = 457;
    const MOST: usize = 1 << 22;
    let request = MntIdReq { size: size_of::<MntIdReq>() as u32, spare: 0, mnt_id: id, param: mask };
    let mut length = 1024;
    loop {
        let mut buffer = vec![0u8; length];
        // SAFETY: the request is a live structure of the size it says, and the kernel writes at most `length` bytes.
        let done =
            unsafe { libc::syscall(SYS_STATMOUNT, &raw const request, buffer.as_mut_ptr(), length, 0) };
        match result(done) {
            Ok(_) => return Ok(parse(&buffer)),
            Err(Errno::INTR) => {}
            Err(Errno::OVERFLOW) if length < MOST => length *= 4,
            Err(errno) => return Err(errno),
        }
    }
}

fn parse(buffer: &[u8]) -> StatMount {
    let mut raw = MaybeUninit::<Raw>::zeroed();
    let (head, strings) = buffer.split_at(size_of::<Raw>().min(buffer.len()));
    // SAFETY: `head` is no longer than `Raw`, which consists of integers: any bytes are a value, and it began as zeros.
    let raw = unsafe {
        std::ptr::copy_nonoverlapping(head.as_ptr(), raw.as_mut_ptr().cast::<u8>(), head.len());
        raw.assume_init()
    };
    let has = |bit: u64| raw.mask & bit != 0;
    let text = |bit: u64, at: u32| {
        let bytes = has(bit).then(|| strings.get(at as usize..)).flatten()?;
        Some(bytes.split(|byte| *byte == 0).next().unwrap_or_default().to_vec())
    };
    StatMount {
        device: has(SB_BASIC).then_some((raw.sb_dev_major, raw.sb_dev_minor)),
        basic: has(MNT_BASIC).then_some(Basic {
            id: raw.mnt_id,
            parent: raw.mnt_parent_id,
            old_id: raw.mnt_id_old.into(),
            old_parent: raw.mnt_parent_id_old.into(),
            attr: raw.mnt_attr,
            propagation: raw.mnt_propagation,
            peer_group: raw.mnt_peer_group,
            master: raw.mnt_master,
        }),
        fs_type: text(FS_TYPE, raw.fs_type),
        mnt_root: text(MNT_ROOT, raw.mnt_root),
        mnt_point: text(MNT_POINT, raw.mnt_point),
        mnt_ns_id: has(MNT_NS_ID).then_some(raw.mnt_ns_id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::identity::{MountId, mountinfo_id};
    use rustix::fd::AsFd;

    #[test]
    fn the_root_mount_is_told_of_as_mountinfo_does() {
        let root = std::fs::File::open("/").unwrap();
        let id = MountId::of(root.as_fd()).unwrap().get();
        let all = SB_BASIC | MNT_BASIC | MNT_ROOT | MNT_POINT | FS_TYPE | MNT_NS_ID;
        let told = statmount(id, all).unwrap();
        let basic = told.basic.unwrap();
        assert_eq!((basic.id, basic.old_id), (id, mountinfo_id(root.as_fd()).unwrap()));
        let table = crate::mountinfo::read().unwrap();
        let line = table.iter().find(|entry| entry.id == basic.old_id).unwrap();
        assert_eq!(line.parent, basic.old_parent);
        assert_eq!(told.mnt_point.as_deref(), Some(line.target.as_os_str().as_encoded_bytes()));
        assert_eq!(told.mnt_root.as_deref(), Some(line.root.as_os_str().as_encoded_bytes()));
        assert_eq!(told.fs_type.as_deref(), Some(line.fstype.as_encoded_bytes()));
        assert!(told.device.is_some() && told.mnt_ns_id.is_some());
        assert_eq!(statmount(id, MNT_BASIC).unwrap().mnt_point, None);
        assert_eq!(statmount(u64::MAX - 1, MNT_BASIC), Err(Errno::NOENT));
    }
}
