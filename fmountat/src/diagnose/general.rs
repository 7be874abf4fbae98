// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Looks into an error by its errno, whatever was mounted.

use crate::diagnose::credentials::Standing;
use crate::diagnose::limits::Limits;
use crate::diagnose::{credentials, filesystems, limits, paths};
use crate::error::{Error, ErrorKind};
use crate::mountinfo::id::mountinfo_id;
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

/// Looks into an error, for what can be told from the error and the machine alone: missing privilege (which, and in which
/// namespace), seccomp filters and security modules, limits that are reached, file systems that this kernel lacks, names
/// that are one letter off, directories on the way that are missing or closed.
///
/// Sets of mounts do so by themselves. This is for who works with the parts: [`FsContext`](crate::vfs::context::FsContext),
/// [`Tree`](crate::vfs::tree::Tree), [`Target`](crate::vfs::target::Target). An error that was looked into comes back as it is. It reads /proc and
/// changes nothing.
///
/// ```
/// let error = fmountat::Target::open(rustix::fs::CWD, "/proc/nowhere/deep").map_err(fmountat::diagnose).unwrap_err();
/// assert_eq!(error.hint(), Some("/proc has no `nowhere`"));
/// ```
#[must_use]
pub fn diagnose(error: Error) -> Error {
    diagnose_from(error, None)
}

/// The same, with the directory that relative paths start at.
pub(crate) fn diagnose_from(mut error: Error, dir: Option<BorrowedFd<'_>>) -> Error {
    if !error.begin_diagnosis() {
        return error;
    }
    match (error.raw_errno(), error.kind()) {
        (Some(Errno::PERM), ErrorKind::Permission) => credentials::explain(error, &Standing::look()),
        (Some(Errno::ACCESS | Errno::NOENT | Errno::NOTDIR | Errno::LOOP), _) => paths::explain(error, dir),
        (Some(Errno::NOSPC | Errno::USERS | Errno::MFILE | Errno::NFILE), _) => {
            limits::explain(error, &Limits::look())
        }
        (Some(Errno::NODEV), ErrorKind::UnknownFilesystem) => filesystems::explain(error),
        _ => error,
    }
}

/// A root that could not be entered: pivot_root(2) says EINVAL for several reasons.
pub(crate) fn pivot(error: Error, new_root: BorrowedFd<'_>) -> Error {
    let is_refused = error.call() == Some("pivot_root") && error.raw_errno() == Some(Errno::INVAL);
    let table = if is_refused { crate::mountinfo::read().unwrap_or_default() } else { Vec::new() };
    let shared = |id| table.iter().find(|entry| entry.id == id).filter(|entry| entry.shared.is_some());
    // On a shared mount it has become one by being mounted.
    let new = mountinfo_id(new_root).ok().and_then(shared);
    if new.is_some_and(|entry| shared(entry.parent).is_none()) {
        return error
            .because("the set makes its root a shared mount, and the kernel puts no old root onto one")
            .hinted("leave `shared` and `rshared` out of the mount for `/`");
    }
    let roots = || table.iter().filter(|entry| entry.target == *"/");
    if roots().any(|entry| entry.shared.is_some()) {
        return error
            .because("the mount on `/` is shared, and the kernel takes no new root on a shared mount")
            .hinted("make a mount namespace that is private: `unshare_mount_and_pid`, or `mount --make-rprivate /`");
    }
    if roots().any(|entry| entry.fstype == "rootfs") {
        return error
            .because("`/` is the initial ramdisk's own root, which can't be exchanged")
            .hinted("mount a file system over it and go there first: switch_root(8)");
    }
    diagnose(error)
}
