// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `mount_setattr(2)` and `open_tree_attr(2)`.

use crate::sys::errno::result;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Errno;
use std::ffi::CStr;

/// `struct mount_attr` of `<linux/mount.h>`, version 0: 32 bytes.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MountAttrRaw {
    pub(crate) attr_set: u64,
    pub(crate) attr_clr: u64,
    pub(crate) propagation: u64,
    pub(crate) userns_fd: u64,
}

const _: () = assert!(size_of::<MountAttrRaw>() == 32);

/// Calls `mount_setattr(dirfd, path, flags, attr, size)` \[Linux 5.12\].
pub(crate) fn mount_setattr(
    dir: BorrowedFd<'_>,
    path: &CStr,
    flags: u32,
    attr: &MountAttrRaw,
) -> Result<(), Errno> {
    // SAFETY: `path` is NUL-terminated and `attr` is a live structure of the size given; the kernel
    // only reads both.
    result(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            dir.as_fd().as_raw_fd(),
            path.as_ptr(),
            flags,
            attr as *const MountAttrRaw,
            size_of::<MountAttrRaw>(),
        )
    })?;
    Ok(())
}

/// Calls `open_tree_attr(dirfd, path, flags, attr, size)` \[Linux 6.15\]. Its number is the same on
/// all architectures that use the generic table.
pub(crate) fn open_tree_attr(
    dir: BorrowedFd<'_>,
    path: &CStr,
    flags: u32,
    attr: &MountAttrRaw,
) -> Result<OwnedFd, Errno> {
    const SYS_OPEN_TREE_ATTR: libc::c_long = 467;
    // SAFETY: as in `mount_setattr`.
    let fd = result(unsafe {
        libc::syscall(
            SYS_OPEN_TREE_ATTR,
            dir.as_fd().as_raw_fd(),
            path.as_ptr(),
            flags,
            attr as *const MountAttrRaw,
            size_of::<MountAttrRaw>(),
        )
    })?;
    let fd = i32::try_from(fd).map_err(|_| Errno::BADF)?;
    // SAFETY: the kernel has just returned this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
