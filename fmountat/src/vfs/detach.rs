// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Takes a mount away by the descriptor of its root: umount2(2) with MNT_DETACH.

use crate::error::{Error, Operation, Result, Syscall};
use crate::sys::procfs::name_for;
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, UnmountFlags};

/// The errno, if unmounting is forbidden whatever it is: the kernel looks at the path first, and another answer is that of a
/// filter.
pub(crate) fn unmount_forbidden() -> Option<Errno> {
    rustix::mount::unmount(c"", UnmountFlags::DETACH)
        .err()
        .filter(|e| matches!(*e, Errno::PERM | Errno::NOSYS))
}

/// Takes away, lazily and with all below, the mount that `fd` is the root of. The kernel takes what is on top of that
/// place: the caller has looked.
pub(crate) fn detach_fd(fd: BorrowedFd<'_>) -> Result<()> {
    rustix::mount::unmount(name_for(Operation::Unmount, fd)?, UnmountFlags::DETACH)
        .map_err(|e| Error::sys(Operation::Unmount, Syscall::Umount2, e))
}

/// As [`detach_fd`], for a mount that was made and is taken back. It is made private first, with all below: a bind is the
/// peer of a shared source, and with it would go what is mounted below the source.
pub(crate) fn take_back(fd: BorrowedFd<'_>) -> Result<()> {
    make_private(fd)?;
    detach_fd(fd)
}

/// With all below: nothing that happens to them happens elsewhere any more.
pub(crate) fn make_private(fd: BorrowedFd<'_>) -> Result<()> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change(name_for(Operation::Unmount, fd)?, private)
        .map_err(|e| Error::sys(Operation::Unmount, Syscall::Mount, e))
}
