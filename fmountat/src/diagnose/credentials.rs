// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The credentials of the process: capabilities, user namespace, seccomp filters, LSM label.

use crate::diagnose::filesystems::{IN_USER_NAMESPACES, OF_NAMESPACES};
use crate::error::{Error, Syscall};
use crate::kinds::image::takes_device;
use crate::sys::namespace::owner_of;
use crate::sys::procfs;
use crate::vfs::features::Features;
use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::thread::CapabilitySet;
use std::ffi::OsStr;

/// The owner of a namespace of the process, relative to the user namespace of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Owner {
    /// The process's user namespace: its capabilities are effective for mounting.
    Own,
    /// An ancestor of it: the process's capabilities are not effective.
    Above,
    /// A descendant of it: the process's capabilities are effective.
    Below,
    /// It could not be determined.
    Unknown,
}

/// The permissions of the process, and the restrictions that may forbid it to mount.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credentials {
    /// The effective user id.
    pub uid: u32,
    /// The effective capabilities as a bit mask: capget(2).
    pub capabilities: u64,
    /// Whether the process is in the initial user namespace.
    pub initial_user_namespace: bool,
    /// The owner of the mount namespace.
    pub mount_owner: Owner,
    /// The seccomp mode: 0 for none, 2 for filters; `None` if /proc does not show it.
    pub seccomp: Option<u32>,
    /// The number of seccomp filters \[Linux 5.9\].
    pub seccomp_filters: Option<u32>,
    /// `PR_SET_NO_NEW_PRIVS`: set-user-ID helpers such as fusermount3 gain nothing.
    pub no_new_privs: bool,
    /// The label or profile of the process under AppArmor, SELinux or Smack.
    pub label: Option<String>,
}

impl Credentials {
    /// Reads the credentials by capget(2), prctl(2) and /proc. A value that cannot be read counts
    /// as absent.
    #[must_use]
    pub fn read() -> Self {
        let status_text = procfs::text("thread-self/status").unwrap_or_default();
        let field = |name| status(&status_text, name);
        let label = ["thread-self/attr/apparmor/current", "thread-self/attr/current"];
        let label =
            label.iter().find_map(|name| procfs::text(name).ok().filter(|label| !label.trim().is_empty()));
        Self {
            uid: rustix::process::geteuid().as_raw(),
            capabilities: rustix::thread::capabilities(None).map_or(0, |sets| sets.effective.bits()),
            initial_user_namespace: Features::get().initial_user_namespace,
            mount_owner: owner_of_mine("mnt"),
            seccomp: field("Seccomp").and_then(|mode| mode.parse().ok()),
            seccomp_filters: field("Seccomp_filters").and_then(|count| count.parse().ok()),
            no_new_privs: rustix::thread::no_new_privs().unwrap_or(false),
            label: label.map(|label| label.trim().trim_end_matches('\0').to_owned()),
        }
    }

    /// Reports whether the process has `CAP_SYS_ADMIN` in its user namespace.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.capabilities & CapabilitySet::SYS_ADMIN.bits() != 0
    }

    /// Reports whether the process may mount: it has `CAP_SYS_ADMIN` in the user namespace that
    /// owns the mount namespace.
    #[must_use]
    pub fn may_mount(&self) -> bool {
        self.is_admin() && self.mount_owner != Owner::Above
    }

    /// Returns the label, unless it is one that AppArmor or SELinux does not confine.
    #[must_use]
    pub fn confined(&self) -> Option<&str> {
        let free =
            |label: &&str| *label != "unconfined" && !label.contains("unconfined_t") && *label != "kernel";
        self.label.as_deref().filter(free)
    }
}

/// Returns the owner of one of the process's namespaces.
pub(crate) fn owner_of_mine(name: &str) -> Owner {
    let inode = |fd: &rustix::fd::OwnedFd| rustix::fs::fstat(fd).map(|stat| stat.st_ino);
    let (Ok(own), Ok(user)) = (procfs::namespace(name), procfs::namespace("user")) else {
        return Owner::Unknown;
    };
    match owner_of(own.as_fd()) {
        Ok(owner) if inode(&owner) == inode(&user) => Owner::Own,
        Ok(_) => Owner::Below,
        Err(Errno::PERM) => Owner::Above,
        Err(_) => Owner::Unknown,
    }
}

/// Returns the value of the line `Name:` in /proc/PID/status.
fn status<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// Explains EPERM, unless the error has a reason already.
pub(crate) fn explain(error: Error, credentials: &Credentials) -> Error {
    if error.has_reason() {
        return error;
    }
    let call = error.call().map_or("the system call", Syscall::name);
    let is_admin = credentials.is_admin();
    let (reason, hint) = if !is_admin && credentials.uid == 0 && credentials.initial_user_namespace {
        (
            "mounting requires CAP_SYS_ADMIN, and this root user does not have it".to_owned(),
            "start the container with `--cap-add SYS_ADMIN`, or allow the capability in the service's \
             CapabilityBoundingSet="
                .to_owned(),
        )
    } else if !is_admin {
        (
            "requires root or CAP_SYS_ADMIN in the mount namespace's user namespace".to_owned(),
            "run it as root, or in a new user and mount namespace: `fmountat run`, or `unshare --user \
             --map-root-user --mount`"
                .to_owned(),
        )
    } else if credentials.mount_owner == Owner::Above {
        (
            "requires CAP_SYS_ADMIN in the mount namespace's user namespace; the process has it only in a \
             child user namespace"
                .to_owned(),
            "create a mount namespace in this user namespace: `unshare --mount`".to_owned(),
        )
    } else if let Some((reason, hint)) = in_user_namespace(&error, credentials) {
        (reason, hint.to_owned())
    } else if credentials.seccomp.is_some_and(|mode| mode != 0) {
        (
            format!("the process has CAP_SYS_ADMIN, but its seccomp filter may forbid {call}"),
            format!(
                "allow {call} in the seccomp profile of the container (`--security-opt seccomp=`) or \
                 service (SystemCallFilter=)"
            ),
        )
    } else if let Some(label) = credentials.confined() {
        (
            format!(
                "the process has CAP_SYS_ADMIN, but a security module confines it with the label `{label}`"
            ),
            "allow mounting in that profile or policy; dmesg or `ausearch -m avc` shows what was denied"
                .to_owned(),
        )
    } else {
        return error;
    };
    error.with_reason(reason).with_hint(hint)
}

/// Explains file systems that cannot be mounted in a user namespace, whatever the capabilities.
fn in_user_namespace(error: &Error, credentials: &Credentials) -> Option<(String, &'static str)> {
    let is_of_filesystem =
        matches!(error.call(), Some(Syscall::Fsopen | Syscall::Fsconfig | Syscall::Fsmount | Syscall::Mount));
    if credentials.initial_user_namespace || !is_of_filesystem {
        return None;
    }
    let fstype = error.filesystem().and_then(OsStr::to_str)?;
    if let Some((_, _, needs, hint)) = OF_NAMESPACES.iter().find(|(name, ..)| *name == fstype) {
        return Some((format!("in a user namespace, {fstype} requires {needs}"), hint));
    }
    (!IN_USER_NAMESPACES.contains(&fstype)).then(|| {
        let hint = match takes_device(fstype.as_bytes()) {
            Some(false) => "mount it as root outside the user namespace, and bind it here",
            _ => {
                "mount it as root outside the user namespace, or mount an image with FUSE (fuse2fs, \
                 squashfuse, erofsfuse)"
            }
        };
        (format!("{fstype} can't be mounted in a user namespace, only in the initial one"), hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Operation, Syscall};

    fn root() -> Credentials {
        Credentials {
            uid: 0,
            capabilities: u64::MAX,
            initial_user_namespace: true,
            mount_owner: Owner::Own,
            seccomp: Some(0),
            seccomp_filters: Some(0),
            no_new_privs: false,
            label: None,
        }
    }

    #[test]
    fn lines_of_status_are_found_by_their_whole_name() {
        let text = "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t3\n";
        assert_eq!((status(text, "Seccomp"), status(text, "Sec")), (Some("2"), None));
    }

    #[test]
    fn each_obstacle_has_its_own_reason() {
        let inner = Credentials { initial_user_namespace: false, ..root() };
        for (credentials, fstype, reason) in [
            (root(), "tmpfs", "operation not permitted"),
            (Credentials { capabilities: 0, ..root() }, "tmpfs", "mounting requires CAP_SYS_ADMIN"),
            (Credentials { uid: 1000, capabilities: 0, ..root() }, "tmpfs", "requires root or CAP_SYS_ADMIN"),
            (inner.clone(), "ext4", "ext4 can't be mounted in a user namespace"),
            (inner.clone(), "proc", "pid namespace"),
            (Credentials { mount_owner: Owner::Above, ..inner }, "tmpfs", "only in a child user namespace"),
            (Credentials { seccomp: Some(2), ..root() }, "tmpfs", "its seccomp filter may forbid fsconfig"),
            (
                Credentials { label: Some("docker-default (enforce)".into()), ..root() },
                "tmpfs",
                "`docker-default (enforce)`",
            ),
            (Credentials { label: Some("unconfined".into()), ..root() }, "tmpfs", "operation not permitted"),
        ] {
            let error = Error::sys(Operation::Create, Syscall::Fsconfig, Errno::PERM).with_argument(fstype);
            let found = explain(error, &credentials).reason();
            assert!(found.contains(reason), "{found}");
        }
    }
}
