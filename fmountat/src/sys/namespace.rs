// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `unshare(2)` into new namespaces.

use super::survive::is_filtered;
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

/// Whether unshare(2) may be called at all: without flags it changes nothing, and only a filter refuses it. Some filters look at
/// the flags: where one is in force this is asked by a child ([`super::survive::ask`]), which makes itself a mount namespace. To
/// those who may not, the kernel says EPERM as a filter would: they are not asked.
pub(crate) fn may_unshare() -> bool {
    let is_admin = || {
        let sets = rustix::thread::capabilities(None);
        sets.is_ok_and(|sets| sets.effective.contains(rustix::thread::CapabilitySet::SYS_ADMIN))
    };
    // SAFETY: no flag is given.
    let without_flags = unsafe { rustix::thread::unshare_unsafe(UnshareFlags::empty()) }.is_ok();
    without_flags && (!is_filtered() || !is_admin() || unshare_mounts() != Err(Errno::PERM))
}

/// The user namespace that owns a namespace: `ioctl(NS_GET_USERNS)`, ioctl_ns(2) \[Linux 4.9\]. `EPERM` where it is above the
/// caller's own.
pub(crate) fn owner_of(namespace: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    /// `_IO(0xB7, 1)` of `<linux/nsfs.h>`.
    const NS_GET_USERNS: libc::Ioctl = 0xB701;
    // SAFETY: the request takes no argument.
    let fd = unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_USERNS, 0) };
    super::result(libc::c_long::from(fd))?;
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
