// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Looks into an error by its errno, whatever was mounted.

use crate::diagnose::credentials::Credentials;
use crate::diagnose::limits::Limits;
use crate::diagnose::{credentials, filesystems, limits, paths};
use crate::error::{Error, ErrorKind, Syscall};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

/// Looks into an error, for what can be told from the error and the machine alone: missing privilege (which, and in which
/// namespace), seccomp filters and security modules, limits that are reached, file systems that this kernel lacks, names
/// that are one letter off, parent directories that are missing or not searchable.
///
/// Sets of mounts do so by themselves. This is for who works with the parts: [`FsContext`](crate::vfs::context::FsContext),
/// [`Tree`](crate::vfs::tree::Tree), [`Target`](crate::vfs::target::Target). An error that was looked into comes back as it is. It reads /proc and
/// changes nothing.
///
/// ```
/// let error = fmountat::Target::open(fmountat::CWD, "/proc/nowhere/deep").map_err(fmountat::diagnose).unwrap_err();
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
        (Some(Errno::PERM), ErrorKind::Permission) => credentials::explain(error, &Credentials::look()),
        (Some(Errno::ACCESS | Errno::NOENT | Errno::NOTDIR | Errno::LOOP), _) => paths::explain(error, dir),
        (Some(Errno::NOSPC | Errno::USERS | Errno::MFILE | Errno::NFILE), _) => {
            limits::explain(error, &Limits::look())
        }
        (Some(Errno::NODEV), ErrorKind::UnknownFilesystem) => filesystems::explain(error),
        _ => error,
    }
}

/// A root that could not be entered: pivot_root(2) says EINVAL for several reasons.
pub(crate) fn pivot(error: Error) -> Error {
    if error.call() != Some(Syscall::PivotRoot) || error.raw_errno() != Some(Errno::INVAL) {
        return diagnose(error);
    }
    let table = crate::mountinfo::read().unwrap_or_default();
    if table.iter().any(|entry| entry.target.as_os_str() == "/" && entry.fstype == "rootfs") {
        return error
            .with_reason("`/` is the initial ramdisk's own root, which can't be exchanged")
            .with_hint("mount a file system over it and go there first: switch_root(8)");
    }
    error.with_hint(
        "a shared mount may hold `/`, if this runs in a chroot, or the root of the set, if two of its mounts are for `/`: make \
         it private",
    )
}
