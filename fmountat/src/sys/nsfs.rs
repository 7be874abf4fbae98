// SPDX-License-Identifier: Apache-2.0 OR MIT
//! ioctl_nsfs(2): information about a namespace, by its file.

use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::PidfdFlags;
use std::mem::offset_of;

/// `struct mnt_ns_info` of `<linux/nsfs.h>`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
struct MntNsInfo {
    size: u32,
    nr_mounts: u32,
    mnt_ns_id: u64,
}

const _: () = assert!(size_of::<MntNsInfo>() == 16 && offset_of!(MntNsInfo, mnt_ns_id) == 8);

/// `_IOR(0xb7, 0x5, __u64)`.
const NS_GET_MNTNS_ID: libc::Ioctl = 0x8008_b705u32 as libc::Ioctl;

/// `_IOR(0xb7, 10, struct mnt_ns_info)`.
const NS_MNT_GET_INFO: libc::Ioctl = 0x8010_b70au32 as libc::Ioctl;

/// `_IOR(0xb7, 11, struct mnt_ns_info)`.
const NS_MNT_GET_NEXT: libc::Ioctl = 0x8010_b70bu32 as libc::Ioctl;

/// `_IOR(0xb7, 12, struct mnt_ns_info)`.
const NS_MNT_GET_PREV: libc::Ioctl = 0x8010_b70cu32 as libc::Ioctl;

/// Returns the id of a mount namespace, which is never reused: `NS_GET_MNTNS_ID` \[Linux 6.11\].
pub(crate) fn mount_namespace_id(file: BorrowedFd<'_>) -> Result<u64, Errno> {
    let mut id = 0u64;
    // SAFETY: the kernel writes one number of 64 bits.
    crate::sys::errno::result(unsafe { libc::ioctl(file.as_raw_fd(), NS_GET_MNTNS_ID, &raw mut id) }.into())?;
    Ok(id)
}

/// Returns the id of a mount namespace and its number of mounts: `NS_MNT_GET_INFO` \[Linux 6.12\].
/// Fails with `ENOTTY` or `EINVAL` for other files.
pub(crate) fn mount_namespace_info(file: BorrowedFd<'_>) -> Result<(u64, u32), Errno> {
    let mut info = MntNsInfo::default();
    // SAFETY: the kernel writes a structure of the size encoded in the request.
    let done = unsafe { libc::ioctl(file.as_raw_fd(), NS_MNT_GET_INFO, &raw mut info) };
    crate::sys::errno::result(done.into())?;
    Ok((info.mnt_ns_id, info.nr_mounts))
}

/// Opens the next mount namespace by id, or with `forward` false the previous one, out of those
/// over which the caller has privilege. Fails with `ENOENT` at the end \[Linux 6.12\].
pub(crate) fn neighbour(file: BorrowedFd<'_>, forward: bool) -> Result<OwnedFd, Errno> {
    let request = if forward { NS_MNT_GET_NEXT } else { NS_MNT_GET_PREV };
    let mut info = MntNsInfo::default();
    // SAFETY: the kernel writes a structure of the size encoded in the request.
    let fd =
        crate::sys::errno::result(unsafe { libc::ioctl(file.as_raw_fd(), request, &raw mut info) }.into())?;
    let fd = i32::try_from(fd).map_err(|_| Errno::BADF)?;
    // SAFETY: the descriptor is new, and nothing else owns it. The kernel opens it close-on-exec.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `_IOR(0xb7, 6, int)`.
const NS_GET_PID_FROM_PIDNS: libc::Ioctl = 0x8004_b706u32 as libc::Ioctl;

/// Reports whether the pid namespace of this file, which must be below the caller's, has a process
/// 1: `NS_GET_PID_FROM_PIDNS` \[Linux 6.11\].
pub(crate) fn has_first_process(file: BorrowedFd<'_>) -> Result<bool, Errno> {
    // SAFETY: the argument is the process id 1, not a pointer, and the result is a number.
    match crate::sys::errno::result(unsafe { libc::ioctl(file.as_raw_fd(), NS_GET_PID_FROM_PIDNS, 1) }.into())
    {
        Ok(_) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// `_IO(0xff, 9)` of `<linux/pidfd.h>`.
const PIDFD_GET_USER_NAMESPACE: libc::Ioctl = 0xff09;

/// Opens the user namespace of the process without /proc: pidfd_open(2), `PIDFD_GET_USER_NAMESPACE`
/// \[Linux 6.11\].
pub(crate) fn own_user_namespace() -> Result<OwnedFd, Errno> {
    let process = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())?;
    // SAFETY: the request takes no argument.
    let fd = crate::sys::errno::result(
        unsafe { libc::ioctl(process.as_raw_fd(), PIDFD_GET_USER_NAMESPACE, 0) }.into(),
    )?;
    let fd = i32::try_from(fd).map_err(|_| Errno::BADF)?;
    // SAFETY: the descriptor is new, and nothing else owns it. The kernel opens it close-on-exec.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::in_tests::unsupported;
    use rustix::fd::AsFd;

    #[test]
    fn the_user_namespace_is_that_of_proc() {
        let inode = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino);
        let by_proc = inode(rustix::fs::stat("/proc/self/ns/user").unwrap());
        match own_user_namespace() {
            Ok(own) => assert_eq!(inode(rustix::fs::fstat(own).unwrap()), by_proc),
            Err(Errno::NOTTY | Errno::INVAL | Errno::NOSYS) => unsupported("needs Linux 6.11"),
            Err(errno) => panic!("{errno}"),
        }
    }

    #[test]
    fn our_namespace_has_one_id() {
        let own = std::fs::File::open("/proc/self/ns/mnt").unwrap();
        let id = match mount_namespace_id(own.as_fd()) {
            Err(Errno::NOTTY | Errno::INVAL) => return unsupported("needs Linux 6.11"),
            Err(errno) => panic!("{errno}"),
            Ok(id) => id,
        };
        let (same, mounts) = mount_namespace_info(own.as_fd()).unwrap();
        assert!(same == id && mounts > 0);
        let other = std::fs::File::open("/proc/self/ns/net").unwrap();
        assert!(mount_namespace_id(other.as_fd()).is_err());
    }
}
