// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `unshare(2)` into new namespaces.

use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::thread::UnshareFlags;

/// New mount and pid namespaces, with `user` a new user namespace that owns them.
pub(crate) fn unshare_namespaces(user: bool) -> Result<(), Errno> {
    let user = if user { UnshareFlags::NEWUSER } else { UnshareFlags::empty() };
    // SAFETY: CLONE_FILES, which makes `unshare` unsafe in rustix, is not among the flags.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::NEWPID | user) }
}

/// A mount namespace of its own for the calling thread, as a copy of the one it is in; and a cwd and root of its own.
pub(crate) fn unshare_mounts() -> Result<(), Errno> {
    // SAFETY: CLONE_FILES, which makes `unshare` unsafe in rustix, is not among the flags.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }
}

/// Whether unshare(2) may make a mount namespace: with a flag that it does not know beside, it changes nothing and says EINVAL
/// before it looks at privilege (`check_unshare_flags`, kernel/fork.c). Only a filter says anything else, by the flags or not.
pub(crate) fn may_unshare() -> bool {
    let no_flag_of_its = UnshareFlags::from_bits_retain(libc::CLONE_VFORK.unsigned_abs());
    // SAFETY: CLONE_FILES, which makes `unshare` unsafe in rustix, is not among the flags.
    let answer = unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS | no_flag_of_its) };
    answer == Err(Errno::INVAL)
}

/// The user namespace that owns a namespace: `ioctl(NS_GET_USERNS)`, ioctl_ns(2) \[Linux 4.9\]. `EPERM` where it is above the
/// caller's own.
pub(crate) fn owner_of(namespace: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    /// `_IO(0xB7, 1)` of `<linux/nsfs.h>`.
    const NS_GET_USERNS: libc::Ioctl = 0xB701;
    // SAFETY: the request takes no argument.
    let fd = unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_USERNS, 0) };
    crate::sys::errno::result(libc::c_long::from(fd))?;
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
