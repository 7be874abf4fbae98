// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `unshare(2)` into new namespaces.

use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::mount::OpenTreeFlags;
use rustix::thread::UnshareFlags;

/// `OPEN_TREE_NAMESPACE`, include/uapi/linux/mount.h: the copy becomes the root of a new mount
/// namespace \[Linux 7.0\].
pub(crate) const OPEN_TREE_NAMESPACE: OpenTreeFlags = OpenTreeFlags::from_bits_retain(2);

/// Unshares the namespaces of these flags. The descriptors remain shared among threads.
pub(crate) fn unshare_flags(flags: UnshareFlags) -> Result<(), Errno> {
    // SAFETY: CLONE_FILES, which makes `unshare` unsafe in rustix, is not among the flags.
    unsafe { rustix::thread::unshare_unsafe(flags.difference(UnshareFlags::FILES)) }
}

/// Unshares the mount namespace of the calling thread, and with it its cwd and root.
pub(crate) fn unshare_mounts() -> Result<(), Errno> {
    // SAFETY: CLONE_FILES, which makes `unshare` unsafe in rustix, is not among the flags.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }
}

/// Reports whether a seccomp filter permits unshare(2) for a mount namespace. The call also has an
/// invalid flag: the kernel then changes nothing and returns EINVAL before it checks privilege
/// (`check_unshare_flags`, kernel/fork.c). A filter causes any other errno.
pub(crate) fn may_unshare() -> bool {
    let no_flag_of_its = UnshareFlags::from_bits_retain(libc::CLONE_VFORK.unsigned_abs());
    // SAFETY: CLONE_FILES, which makes `unshare` unsafe in rustix, is not among the flags.
    let answer = unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS | no_flag_of_its) };
    answer == Err(Errno::INVAL)
}

/// Returns the user namespace that owns a namespace: `ioctl(NS_GET_USERNS)`, ioctl_ns(2) \[Linux
/// 4.9\]. Fails with `EPERM` where it is above the caller's own.
pub(crate) fn owner_of(namespace: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    /// `_IO(0xB7, 1)` of `<linux/nsfs.h>`.
    const NS_GET_USERNS: libc::Ioctl = 0xB701;
    // SAFETY: the request takes no argument.
    let fd = unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_USERNS, 0) };
    crate::sys::errno::result(libc::c_long::from(fd))?;
    // SAFETY: the kernel has just returned this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
