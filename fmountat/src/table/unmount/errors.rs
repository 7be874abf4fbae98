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
    let reason = "it is a symbolic link, which unmounting does not follow";
    Error::new(ErrorKind::NotMounted, STEP, reason).with_argument(path)
}

pub(crate) fn nothing_mounted(path: &Path) -> Error {
    Error::new(ErrorKind::NotMounted, STEP, "nothing is mounted there").with_argument(path)
}

pub(crate) fn exchanged(path: &Path) -> Error {
    Error::new(ErrorKind::Busy, STEP, "another mount has been put there meanwhile, or this one is gone")
        .with_argument(path)
}

pub(crate) fn hidden(path: &Path) -> Error {
    let reason = "another mount is on top of it, or on the way to it";
    Error::new(ErrorKind::Busy, STEP, reason).with_argument(path).with_hint("unmount that one first")
}

pub(crate) fn own_root(path: &Path) -> Error {
    let reason = "this process has its root directory on it: the kernel would make the file system read-only and leave it";
    Error::new(ErrorKind::Unsupported, STEP, reason)
        .with_argument(path)
        .with_hint("a process's root is changed by pivot_root(2)")
}

pub(crate) fn conflict(first: &str, second: &str) -> Error {
    Error::new(ErrorKind::OptionConflict, STEP, format!("{first} and {second} exclude each other"))
}

pub(crate) fn timed_out(path: &Path) -> Error {
    let reason = "the time is up and the file system does not answer; the kernel's call goes on";
    let hint = "the mount is gone as soon as the file system's server answers or ends";
    Error::new(ErrorKind::TimedOut, STEP, reason).with_argument(path).with_hint(hint)
}

pub(crate) fn no_thread(path: &Path, error: std::io::Error) -> Error {
    Error::from_io(Operation::StartThreadToUnmount, path, error)
}

pub(crate) fn of_errno(path: &Path, errno: Errno) -> Error {
    let error = Error::sys(STEP, Syscall::Umount2, errno).with_argument(path);
    match errno {
        Errno::INVAL => error
            .with_kind(ErrorKind::Locked)
            .with_reason("the kernel keeps it locked here")
            .with_hint("mounts that came into a user namespace from outside can't be unmounted one by one"),
        Errno::PERM => needs_admin(error),
        _ => error,
    }
}
