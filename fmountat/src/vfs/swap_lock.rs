// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Excludes other swaps of the same mount: two at once would leave both new trees.

use crate::vfs::identity::mounted_type;
use crate::vfs::target::Target;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

/// How long to wait for another swap, which takes milliseconds. Then the swap is tried without the
/// lock: somebody else may hold a lock on the directory for reasons of their own.
const TIME: Duration = Duration::from_secs(10);

/// Locks the root directory of the mount at `target` with flock(2), for the threads of this process
/// too. `None` where there is no such lock: for a file, and for a file system whose server may not
/// answer.
pub(crate) fn lock(target: &Target) -> Option<OwnedFd> {
    let fstype = mounted_type(target.as_fd()).unwrap_or_default();
    let is_remote = [&b"fuse"[..], b"nfs", b"9p", b"cifs", b"smb3", b"ceph", b"afs"];
    if !target.is_dir() || is_remote.iter().any(|name| fstype.as_bytes().starts_with(name)) {
        return None;
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::openat(target.as_fd(), ".", flags, Mode::empty()).ok()?;
    let start = Instant::now();
    while start.elapsed() < TIME {
        match rustix::fs::flock(&root, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::AGAIN | Errno::INTR) => std::thread::sleep(Duration::from_millis(1)),
            locked => return locked.ok().map(|()| root),
        }
    }
    None
}
