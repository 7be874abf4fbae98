// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The kernel's limits for mounts, namespaces and files, and their current use.

use crate::error::{Error, ErrorKind, Syscall};
use crate::sys::procfs;
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use std::path::Path;

/// Limits that affect mounting, and their current use. `None` if /proc does not show a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// `fs.mount-max`: mounts in one mount namespace \[Linux 4.9\].
    pub mount_max: Option<u64>,
    /// The number of mounts in this mount namespace below the process's root directory.
    pub mounts: Option<u64>,
    /// `user.max_user_namespaces`, per user.
    pub user_namespaces: Option<u64>,
    /// `user.max_mnt_namespaces`, per user.
    pub mount_namespaces: Option<u64>,
    /// `user.max_pid_namespaces`, per user.
    pub pid_namespaces: Option<u64>,
    /// The limit of open files of the process (`RLIMIT_NOFILE`); `None` for no limit.
    pub files_max: Option<u64>,
    /// The number of open files of the process.
    pub files: Option<u64>,
    /// `fs.file-max`: the limit of open files of the whole system.
    pub machine_files_max: Option<u64>,
}

impl Limits {
    /// Reads the limits. Reads the whole mount table to count the mounts.
    #[must_use]
    pub fn read() -> Self {
        Self {
            mount_max: number("/proc/sys/fs/mount-max"),
            mounts: count_mounts(),
            user_namespaces: number("/proc/sys/user/max_user_namespaces"),
            mount_namespaces: number("/proc/sys/user/max_mnt_namespaces"),
            pid_namespaces: number("/proc/sys/user/max_pid_namespaces"),
            files_max: getrlimit(Resource::Nofile).current,
            files: procfs::count_descriptors().ok().and_then(|count| u64::try_from(count).ok()),
            machine_files_max: number("/proc/sys/fs/file-max"),
        }
    }
}

/// Reads a number from a file of /proc or /sys.
pub(crate) fn number(path: impl AsRef<Path>) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn count_mounts() -> Option<u64> {
    let table = procfs::read("thread-self/mountinfo").ok()?;
    u64::try_from(table.iter().filter(|byte| **byte == b'\n').count()).ok()
}

/// Explains which limit was exhausted.
pub(crate) fn explain(error: Error, limits: &Limits) -> Error {
    let shown = |limit: Option<u64>| limit.map_or_else(|| String::from("unknown"), |limit| limit.to_string());
    let is_no_namespace = matches!(error.raw_errno(), Some(Errno::NOSPC | Errno::USERS));
    // To the kernel a detached tree is a mount namespace (`alloc_mnt_ns`, fs/namespace.c). Mounts
    // outside our root directory are not counted.
    let has_room = limits.mounts.zip(limits.mount_max).is_some_and(|(used, most)| used < most / 2);
    let (kind, reason, hint) = match (error.raw_errno(), error.call()) {
        (Some(Errno::MFILE), _) => (
            ErrorKind::TooManyFiles,
            format!("the process has reached its limit of {} open files", shown(limits.files_max)),
            "raise the limit: `ulimit -n`, RLIMIT_NOFILE, systemd's LimitNOFILE=; mounting an overlay takes \
             one open file per layer",
        ),
        (Some(Errno::NFILE), _) => (
            ErrorKind::TooManyFiles,
            format!("the system has reached its limit of {} open files", shown(limits.machine_files_max)),
            "raise the sysctl fs.file-max, or end the processes that hold the files (lsof(8) lists them)",
        ),
        (Some(Errno::NOSPC), Some(Syscall::Fsmount | Syscall::OpenTree)) if has_room => (
            ErrorKind::TooManyNamespaces,
            format!(
                "a detached mount counts as a mount namespace, and the limit user.max_mnt_namespaces is {}",
                shown(limits.mount_namespaces)
            ),
            "raise that sysctl in this user namespace and all its ancestors",
        ),
        (
            Some(Errno::NOSPC),
            Some(Syscall::MoveMount | Syscall::Mount | Syscall::OpenTree | Syscall::Fsmount),
        ) => (
            ErrorKind::TooManyMounts,
            format!(
                "the mount namespace has {} mounts, and the limit fs.mount-max is {} (copies made by \
                 propagation count)",
                shown(limits.mounts),
                shown(limits.mount_max)
            ),
            "unmount mounts that were left behind or duplicated by shared propagation, or raise the sysctl \
             fs.mount-max",
        ),
        (_, Some(Syscall::Unshare)) if is_no_namespace && limits.pid_namespaces == Some(0) => (
            ErrorKind::TooManyNamespaces,
            String::from("creating pid namespaces is disabled: user.max_pid_namespaces is 0"),
            "raise that sysctl in this user namespace and all its ancestors",
        ),
        (_, Some(Syscall::Clone | Syscall::Unshare)) if is_no_namespace => (
            ErrorKind::TooManyNamespaces,
            format!(
                "the limit of namespaces is reached: user.max_user_namespaces is {}, \
                 user.max_mnt_namespaces is {}",
                shown(limits.user_namespaces),
                shown(limits.mount_namespaces)
            ),
            "raise these sysctls in this user namespace and all its ancestors; 0 disables namespaces",
        ),
        _ => return error,
    };
    error.with_kind(kind).with_reason(reason).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Operation, Syscall};

    #[test]
    fn a_reached_limit_is_reported_with_its_numbers() {
        let limits = Limits {
            mount_max: Some(100),
            mounts: Some(99),
            files_max: Some(3),
            machine_files_max: Some(5),
            ..Limits::read()
        };
        for (operation, call, errno, kind, reason) in [
            (Operation::Attach, Syscall::MoveMount, Errno::NOSPC, ErrorKind::TooManyMounts, "99 mounts, and"),
            (
                Operation::Attach,
                Syscall::MoveMount,
                Errno::NOSPC,
                ErrorKind::TooManyMounts,
                "fs.mount-max is 100 ",
            ),
            (Operation::MakeMountPoint, Syscall::Mkdirat, Errno::NOSPC, ErrorKind::System, "no space"),
            (Operation::Open, Syscall::Openat, Errno::MFILE, ErrorKind::TooManyFiles, "3 open files"),
            (Operation::Open, Syscall::Openat, Errno::NFILE, ErrorKind::TooManyFiles, "5 open files"),
            (Operation::MakeUserNamespace, Syscall::Clone, Errno::NOSPC, ErrorKind::TooManyNamespaces, ""),
        ] {
            let error = explain(Error::sys(operation, call, errno), &limits);
            assert!(error.kind() == kind && error.reason().contains(reason), "{error}");
        }
    }
}
