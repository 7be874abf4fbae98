// SPDX-License-Identifier: Apache-2.0 OR MIT
//! After a failure: what the kernel did not say, found out by looking. Nothing here is called on the way of success, nothing
//! here changes anything, and a look that fails leaves the error as it was.
#![forbid(unsafe_code)]

pub(crate) mod doctor;
pub(crate) mod filesystems;
pub(crate) mod limits;
pub(crate) mod look;
mod overlay;
mod parameters;
mod paths;
pub(crate) mod spelling;
pub(crate) mod standing;
mod step;

pub(crate) use step::{About, What, foresee as foresee_step, spelled, step, writable_device};

use crate::error::{Error, ErrorKind};
use crate::vfs::identity::mountinfo_id;
use limits::Limits;
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use standing::Standing;

/// Looks into an error, for what can be told from the error and the machine alone: missing privilege (which, and in which
/// namespace), seccomp filters and security modules, limits that are reached, file systems that this kernel lacks, names
/// that are one letter off, directories on the way that are missing or closed.
///
/// Sets of mounts do so by themselves. This is for who works with the parts: [`FsContext`](crate::FsContext),
/// [`Tree`](crate::Tree), [`Target`](crate::Target). An error that was looked into comes back as it is. It reads /proc and
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
        (Some(Errno::PERM), ErrorKind::Permission) => standing::explain(error, &Standing::look()),
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
    let table = if is_refused { crate::table::mountinfo::read().unwrap_or_default() } else { Vec::new() };
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
