// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Detects that the next child would be PID 1 of a new pid namespace. If our short-lived child
//! became PID 1 of the caller's new pid namespace, its exit would destroy the namespace, and the
//! caller could no longer fork into it.

use crate::sys::nsfs::has_first_process;
use crate::sys::procfs::{PID_NAMESPACE, PID_NAMESPACE_OF_CHILDREN};
use rustix::fd::AsFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// Reports whether the next child would be PID 1: after `unshare(CLONE_NEWPID)`, or setns(2) into a
/// pid namespace without a process. Returns false without /proc.
///
/// /proc shows the pid namespace of our children only once it has a process. Newer kernels (such as
/// 7.2) show it before; then `NS_GET_PID_FROM_PIDNS` decides.
pub(crate) fn would_be_first() -> bool {
    let inode = |path: &str| rustix::fs::stat(path).map(|stat| stat.st_ino);
    let of_children = match inode(PID_NAMESPACE_OF_CHILDREN) {
        Ok(of_children) => of_children,
        Err(errno) => return errno == Errno::NOENT && inode(PID_NAMESPACE).is_ok(),
    };
    if inode(PID_NAMESPACE) == Ok(of_children) {
        return false;
    }
    let opened = rustix::fs::open(PID_NAMESPACE_OF_CHILDREN, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    opened.is_ok_and(|file| has_first_process(file.as_fd()) == Ok(false))
}
