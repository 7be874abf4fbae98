// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether the next child would be the first process of a new pid namespace. When that one ends so does the namespace, for good:
//! a child of ours, which lives for a few system calls, would take it from a caller that means to fork next.

use crate::sys::nsfs::has_first_process;
use crate::sys::procfs::{PID_NAMESPACE, PID_NAMESPACE_OF_CHILDREN};
use rustix::fd::AsFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// After `unshare(CLONE_NEWPID)`, or setns(2) into a pid namespace that has no process yet. Not to be told without /proc.
///
/// /proc names the namespace of our children only once it has a process; newer kernels (7.2 does) name it before, and are asked.
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
