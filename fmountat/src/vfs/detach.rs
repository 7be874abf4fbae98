// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Unmounts a mount by the descriptor of its root: umount2(2) with MNT_DETACH.

use crate::error::{Error, Operation, Result, Syscall};
use crate::sys::procfs::name_for;
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, UnmountFlags};

/// Returns the errno if unmounting is forbidden altogether. The call has an empty path, and the
/// kernel looks at the path first: EPERM and ENOSYS come from a filter.
pub(crate) fn unmount_forbidden() -> Option<Errno> {
    rustix::mount::unmount(c"", UnmountFlags::DETACH)
        .err()
        .filter(|e| matches!(*e, Errno::PERM | Errno::NOSYS))
}

/// Detaches the mount that `fd` is the root of, lazily and with all mounts below. The kernel
/// detaches the topmost mount at that place: the caller has checked that it is this one.
pub(crate) fn detach_fd(fd: BorrowedFd<'_>) -> Result<()> {
    rustix::mount::unmount(name_for(Operation::Unmount, fd)?, UnmountFlags::DETACH)
        .map_err(|e| Error::sys(Operation::Unmount, Syscall::Umount2, e))
}

/// Detaches a mount that we made, as [`detach_fd`] does. Makes it and all mounts below private
/// first: a bind is a peer of its shared source, and unmounting it would also unmount what is
/// mounted below the source.
pub(crate) fn take_back(fd: BorrowedFd<'_>) -> Result<()> {
    make_private(fd)?;
    detach_fd(fd)
}

/// Makes the mount and all mounts below private, so that unmounting them does not propagate.
pub(crate) fn make_private(fd: BorrowedFd<'_>) -> Result<()> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change(name_for(Operation::Unmount, fd)?, private)
        .map_err(|e| Error::sys(Operation::Unmount, Syscall::Mount, e))
}
