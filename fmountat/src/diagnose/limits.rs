// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The kernel's limits: how many mounts, namespaces and files there may be, and how many there are.

use crate::diagnose::proc_text::number;
use crate::error::{Error, ErrorKind, Syscall};
use crate::sys::procfs;
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

/// Limits that mounting runs into, and what is used of them. `None` where /proc does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// `fs.mount-max`: mounts in one mount namespace \[Linux 4.9\].
    pub mount_max: Option<u64>,
    /// Mounts in this one, as far as they are below the process's root.
    pub mounts: Option<u64>,
    /// `user.max_user_namespaces`, for each user.
    pub user_namespaces: Option<u64>,
    /// `user.max_mnt_namespaces`, for each user.
    pub mount_namespaces: Option<u64>,
    /// `user.max_pid_namespaces`, for each user.
    pub pid_namespaces: Option<u64>,
    /// Open files that the process may have (`RLIMIT_NOFILE`); `None` for no limit.
    pub files_max: Option<u64>,
    /// Files that it has open.
    pub files: Option<u64>,
    /// `fs.file-max`: files that the machine may have open.
    pub machine_files_max: Option<u64>,
}

impl Limits {
    /// Reads them. Counting mounts reads the whole mount table.
    #[must_use]
    pub fn look() -> Self {
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

    /// Whether the mount table is far from full. What is below other roots is not counted.
    fn has_room_for_mounts(&self) -> bool {
        self.mounts.zip(self.mount_max).is_some_and(|(used, most)| used < most / 2)
    }
}

fn count_mounts() -> Option<u64> {
    let table = procfs::read("thread-self/mountinfo").ok()?;
    u64::try_from(table.iter().filter(|byte| **byte == b'\n').count()).ok()
}

/// The calls that make a mount part of a namespace, or copy one.
const MOUNTING: [Syscall; 4] = [Syscall::MoveMount, Syscall::Mount, Syscall::OpenTree, Syscall::Fsmount];

/// Whether it makes a detached tree, which is a mount namespace to the kernel (`alloc_mnt_ns`, fs/namespace.c).
fn is_of_a_tree(error: &Error) -> bool {
    matches!(error.call(), Some(Syscall::Fsmount | Syscall::OpenTree))
}

/// Which limit it is that was reached.
pub(crate) fn explain(error: Error, limits: &Limits) -> Error {
    let known = |limit: Option<u64>| limit.map_or_else(|| String::from("unknown"), |limit| limit.to_string());
    match error.raw_errno() {
        Some(Errno::MFILE) => error
            .with_kind(ErrorKind::TooManyFiles)
            .with_reason(format!("the process may have {} open files", known(limits.files_max)))
            .with_hint("raise it: `ulimit -n`, RLIMIT_NOFILE, systemd's LimitNOFILE=; each overlay layer is one while it is mounted"),
        Some(Errno::NFILE) => error
            .with_kind(ErrorKind::TooManyFiles)
            .with_reason(format!("the machine may have {} open files", known(limits.machine_files_max)))
            .with_hint("raise the sysctl fs.file-max, or see who has so many"),
        Some(Errno::NOSPC) if is_of_a_tree(&error) && limits.has_room_for_mounts() => error
            .with_kind(ErrorKind::TooManyNamespaces)
            .with_reason(format!(
                "a detached mount counts as a mount namespace, of which user.max_mnt_namespaces allows {}",
                known(limits.mount_namespaces)
            ))
            .with_hint("raise that sysctl, also in the user namespaces above"),
        Some(Errno::NOSPC) if error.call().is_some_and(|call| MOUNTING.contains(&call)) => {
            let reason = format!(
                "the mount namespace has {} mounts, and fs.mount-max allows {}, copies by propagation included",
                known(limits.mounts),
                known(limits.mount_max)
            );
            error.with_kind(ErrorKind::TooManyMounts).with_reason(reason).with_hint(
                "look for mounts that were left behind or doubled by shared propagation; else raise the sysctl fs.mount-max",
            )
        }
        Some(Errno::NOSPC | Errno::USERS) if error.call() == Some(Syscall::Unshare) && limits.pid_namespaces == Some(0) => error
            .with_kind(ErrorKind::TooManyNamespaces)
            .with_reason("no pid namespace may be made: user.max_pid_namespaces is 0")
            .with_hint("raise that sysctl, also in the user namespaces above"),
        Some(Errno::NOSPC | Errno::USERS) if matches!(error.call(), Some(Syscall::Clone | Syscall::Unshare)) => {
            let reason = format!(
                "a limit of namespaces is reached: here user.max_user_namespaces is {} and user.max_mnt_namespaces {}",
                known(limits.user_namespaces),
                known(limits.mount_namespaces)
            );
            error
                .with_kind(ErrorKind::TooManyNamespaces)
                .with_reason(reason)
                .with_hint("raise those sysctls, also in the user namespaces above; 0 forbids namespaces")
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Operation, Syscall};

    #[test]
    fn a_limit_is_told_with_its_numbers() {
        let limits = Limits { mount_max: Some(100), mounts: Some(99), ..Limits::look() };
        let error = explain(Error::sys(Operation::Attach, Syscall::MoveMount, Errno::NOSPC), &limits);
        assert_eq!(error.kind(), ErrorKind::TooManyMounts);
        assert!(error.reason().contains("99 mounts") && error.reason().contains("allows 100,"));
        let full = explain(Error::sys(Operation::MakeMountPoint, Syscall::Mkdirat, Errno::NOSPC), &limits);
        assert_eq!(full.kind(), ErrorKind::System);
        let files = Limits { files_max: Some(3), machine_files_max: Some(5), ..limits };
        assert!(
            explain(Error::sys(Operation::Open, Syscall::Openat, Errno::MFILE), &files)
                .reason()
                .contains("3 open files")
        );
        assert!(
            explain(Error::sys(Operation::Open, Syscall::Openat, Errno::NFILE), &files)
                .reason()
                .contains("5 open files")
        );
        let none = explain(Error::sys(Operation::MakeUserNamespace, Syscall::Clone, Errno::NOSPC), &limits);
        assert_eq!(none.kind(), ErrorKind::TooManyNamespaces);
    }
}
