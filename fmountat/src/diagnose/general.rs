// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Diagnoses an error by its errno, for any kind of mount.

use crate::diagnose::credentials::Credentials;
use crate::diagnose::limits::Limits;
use crate::diagnose::{credentials, filesystems, limits, paths};
use crate::error::{Error, ErrorKind, Syscall};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;

/// Adds to an error what the kernel did not report:
///
/// - a missing privilege, and in which namespace
/// - seccomp filters and security modules
/// - exhausted limits
/// - file systems that this kernel lacks
/// - misspelled names
/// - parent directories that are missing or not searchable
///
/// Errors of mount sets are diagnosed already. Call this function for errors of
/// [`FsContext`](crate::vfs::context::FsContext), [`Tree`](crate::vfs::tree::Tree) and
/// [`Target`](crate::vfs::target::Target). Returns a diagnosed error unchanged. Reads /proc and
/// changes nothing.
///
/// ```
/// let error = fmountat::Target::open(fmountat::CWD, "/proc/nowhere/deep")
///     .map_err(fmountat::diagnose)
///     .unwrap_err();
/// assert_eq!(error.hint(), Some("`nowhere` does not exist in /proc"));
/// ```
#[must_use]
pub fn diagnose(error: Error) -> Error {
    diagnose_from(error, None)
}

/// Like [`diagnose`], with the directory that relative paths start at.
///
/// ```
/// use fmountat::{CWD, Target, diagnose_at};
/// let error = Target::open(CWD, "nowhere/deep").map_err(|e| diagnose_at(e, CWD)).unwrap_err();
/// assert_eq!(error.hint(), Some("`nowhere` does not exist in the starting directory"));
/// ```
#[must_use]
pub fn diagnose_at(error: Error, dir: impl AsFd) -> Error {
    diagnose_from(error, Some(dir.as_fd()))
}

/// Like [`diagnose`], with the directory that relative paths are resolved from.
pub(crate) fn diagnose_from(mut error: Error, dir: Option<BorrowedFd<'_>>) -> Error {
    if !error.begin_diagnosis() {
        return error;
    }
    match (error.raw_errno(), error.kind()) {
        (Some(Errno::PERM), ErrorKind::Permission) => credentials::explain(error, &Credentials::read()),
        (Some(Errno::ACCESS | Errno::NOENT | Errno::NOTDIR | Errno::LOOP), _) => paths::explain(error, dir),
        (Some(Errno::NOSPC | Errno::USERS | Errno::MFILE | Errno::NFILE), _) => {
            limits::explain(error, &Limits::read())
        }
        (Some(Errno::NODEV), ErrorKind::UnknownFilesystem) => filesystems::explain(error),
        _ => error,
    }
}

/// Diagnoses a failed pivot_root(2), which returns EINVAL for several reasons.
pub(crate) fn pivot(error: Error) -> Error {
    if error.call() != Some(Syscall::PivotRoot) || error.raw_errno() != Some(Errno::INVAL) {
        return diagnose(error);
    }
    let table = crate::mountinfo::read().unwrap_or_default();
    if table.iter().any(|entry| entry.target.as_os_str() == "/" && entry.fstype == "rootfs") {
        return error
            .with_reason("`/` is the initial ramdisk (rootfs), which pivot_root(2) can't replace")
            .with_hint("switch to another root first: switch_root(8)");
    }
    error.with_hint(
        "make the parent mount private (`mount --make-private`): that of `/` in a chroot, or of the set's \
         root if two mounts have the target `/`",
    )
}
