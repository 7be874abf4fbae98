// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The errors of unmounting.

use crate::error::{Error, ErrorKind, Operation, Syscall};
use crate::vfs::privilege::needs_admin;
use rustix::io::Errno;
use std::path::Path;

pub(crate) const STEP: Operation = Operation::Unmount;

pub(crate) fn open(path: &Path, errno: Errno) -> Error {
    crate::vfs::target::open_error(Operation::OpenTarget, Syscall::Openat, path, errno)
}

pub(crate) fn symbolic_link(path: &Path) -> Error {
    let reason = "is a symbolic link, which unmounting does not follow";
    Error::new(ErrorKind::NotMounted, STEP, reason).with_argument(path)
}

pub(crate) fn nothing_mounted(path: &Path) -> Error {
    Error::new(ErrorKind::NotMounted, STEP, "is not mounted").with_argument(path)
}

pub(crate) fn exchanged(path: &Path) -> Error {
    Error::new(ErrorKind::Busy, STEP, "another process unmounted it or mounted over it at the same time")
        .with_argument(path)
}

pub(crate) fn covered(path: &Path) -> Error {
    let reason = "another mount covers it";
    Error::new(ErrorKind::Busy, STEP, reason).with_argument(path).with_hint("unmount that one first")
}

pub(crate) fn own_root(path: &Path) -> Error {
    let reason = "is the mount of this process's root directory: the kernel would only remount it read-only";
    Error::new(ErrorKind::Unsupported, STEP, reason)
        .with_argument(path)
        .with_hint("change the root directory with pivot_root(2) first")
}

pub(crate) fn conflict(first: &str, second: &str) -> Error {
    Error::new(ErrorKind::OptionConflict, STEP, format!("{first} conflicts with {second}"))
}

pub(crate) fn timed_out(path: &Path) -> Error {
    let reason = "timed out: the file system does not respond, and umount2(2) is still waiting for it";
    let hint = "restart or end the file system's server: the unmount then completes";
    Error::new(ErrorKind::TimedOut, STEP, reason).with_argument(path).with_hint(hint)
}

pub(crate) fn no_thread(path: &Path, error: std::io::Error) -> Error {
    Error::from_io(Operation::StartThreadToUnmount, path, error)
}

pub(crate) fn of_errno(path: &Path, errno: Errno) -> Error {
    let error = Error::sys(STEP, Syscall::Umount2, errno).with_argument(path);
    match errno {
        Errno::INVAL => {
            error.with_kind(ErrorKind::Locked).with_reason("is locked in this user namespace").with_hint(
                "unmount it outside the user namespace: mounts copied from a parent namespace can't be \
                 unmounted one by one",
            )
        }
        Errno::PERM => needs_admin(error),
        _ => error,
    }
}
