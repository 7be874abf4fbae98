// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who the process is to the kernel: capabilities and where they count, seccomp filters, security modules.

use crate::diagnose::proc_text::status;
use crate::error::{Error, Syscall};
use crate::sys::namespace::owner_of;
use crate::sys::procfs;
use crate::vfs::features::Features;
use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::thread::CapabilitySet;
use std::ffi::OsStr;

/// Which user namespace owns a namespace that the process is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Owner {
    /// The one that the process is in: its capabilities count for mounting.
    Own,
    /// One above it: they don't.
    Above,
    /// One below it, where they count too.
    Below,
    /// It could not be found out.
    Unknown,
}

/// What the kernel lets the process do, and what stands in its way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credentials {
    /// The effective user id.
    pub uid: u32,
    /// Effective capabilities, a bit for each: capget(2).
    pub capabilities: u64,
    /// Whether it is in the machine's first user namespace.
    pub initial_user_namespace: bool,
    /// Who owns the mount namespace.
    pub mount_owner: Owner,
    /// Seccomp's mode: 0 for none, 2 for filters; `None` where /proc does not tell.
    pub seccomp: Option<u32>,
    /// How many filters there are \[Linux 5.9\].
    pub seccomp_filters: Option<u32>,
    /// `PR_SET_NO_NEW_PRIVS`: set-user-ID helpers such as fusermount3 gain nothing.
    pub no_new_privs: bool,
    /// The label or profile that AppArmor, SELinux or Smack has given to it.
    pub label: Option<String>,
}

impl Credentials {
    /// Asks the kernel: capget(2), prctl(2), and /proc for the rest. What can't be read counts as absent.
    #[must_use]
    pub fn look() -> Self {
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

    /// Whether it has `CAP_SYS_ADMIN`, wherever that counts.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.capabilities & CapabilitySet::SYS_ADMIN.bits() != 0
    }

    /// Whether it may mount: `CAP_SYS_ADMIN` in the user namespace that owns the mount namespace.
    #[must_use]
    pub fn may_mount(&self) -> bool {
        self.is_admin() && self.mount_owner != Owner::Above
    }

    /// Returns the label, unless it is one under which AppArmor or SELinux confines nothing.
    #[must_use]
    pub fn confined(&self) -> Option<&str> {
        let free =
            |label: &&str| *label != "unconfined" && !label.contains("unconfined_t") && *label != "kernel";
        self.label.as_deref().filter(free)
    }
}

/// Who owns one of the process's namespaces.
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

const OWN_NAMESPACE: &str = "run as root, or in a user and mount namespace of your own (`fmountat run`, or \
                             `unshare --user --map-root-user --mount`)";

/// Why a call was not permitted, where that can be told. Ours is the reason only where there was none.
pub(crate) fn explain(error: Error, who: &Credentials) -> Error {
    if error.has_reason() {
        return error;
    }
    let call = error.call().map_or("the call", Syscall::name);
    let is_root_here = who.uid == 0 && who.initial_user_namespace;
    if !who.is_admin() && is_root_here {
        return error
            .with_reason("this is root without CAP_SYS_ADMIN, which mounting needs")
            .with_hint("the container or service was started without it: `--cap-add SYS_ADMIN`, or systemd's CapabilityBoundingSet=");
    }
    if !who.is_admin() {
        let reason = "it needs CAP_SYS_ADMIN in the user namespace that owns the mount namespace";
        return error.with_reason(reason).with_hint(OWN_NAMESPACE);
    }
    if who.mount_owner == Owner::Above {
        return error
            .with_reason("CAP_SYS_ADMIN is held in a user namespace that does not own the mount namespace")
            .with_hint("make a mount namespace in that user namespace too: `unshare --mount`");
    }
    if let Some((reason, hint)) = in_user_namespace(&error, who) {
        return error.with_reason(reason).with_hint(hint);
    }
    if who.seccomp.is_some_and(|mode| mode != 0) {
        let reason =
            format!("CAP_SYS_ADMIN is there, and a seccomp filter is in force that may forbid {call}");
        return error.with_reason(reason).with_hint(format!(
            "allow {call} in the container's or service's seccomp profile (`--security-opt seccomp=`, SystemCallFilter=)"
        ));
    }
    match who.confined() {
        Some(label) => {
            let reason =
                format!("CAP_SYS_ADMIN is there, and a security module confines the process as `{label}`");
            error.with_reason(reason).with_hint(
                "its log has the refusal (dmesg, or ausearch -m avc): allow `mount` in that profile",
            )
        }
        None => error,
    }
}

/// What a user namespace can't have, whatever its capabilities.
fn in_user_namespace(error: &Error, who: &Credentials) -> Option<(String, &'static str)> {
    if who.initial_user_namespace
        || !matches!(
            error.call(),
            Some(Syscall::Fsopen | Syscall::Fsconfig | Syscall::Fsmount | Syscall::Mount)
        )
    {
        return None;
    }
    Some(match fstype_of(error)? {
        "proc" => (
            String::from(
                "in a user namespace, proc needs a pid namespace of its own, and the proc there now wholly visible",
            ),
            "`unshare --pid --fork`; or bind the one that is there: `rbind` of /proc",
        ),
        "sysfs" => (
            String::from(
                "in a user namespace, sysfs needs a network namespace of its own, and the sysfs there now wholly visible",
            ),
            "`unshare --net`; or bind the one that is there: `rbind` of /sys",
        ),
        "mqueue" => {
            (String::from("in a user namespace, mqueue needs an ipc namespace of its own"), "`unshare --ipc`")
        }
        name @ ("cgroup" | "cgroup2") => (
            format!("in a user namespace, {name} needs a cgroup namespace of its own"),
            "`unshare --cgroup`; or bind the one that is there: `rbind` of /sys/fs/cgroup",
        ),
        name if crate::diagnose::filesystems::IN_USER_NAMESPACES.contains(&name) => return None,
        name => (
            format!(
                "{name} can't be mounted in a user namespace: the kernel trusts its bytes to real root alone"
            ),
            "mount it as root outside; images can be mounted by FUSE (fuse2fs, squashfuse, erofsfuse)",
        ),
    })
}

/// The file system that was to be made: what the step is about, or named in it where that is an image.
fn fstype_of(error: &Error) -> Option<&str> {
    error.filesystem().and_then(OsStr::to_str)
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

    fn told(who: &Credentials, argument: &str) -> String {
        explain(Error::sys(Operation::Create, Syscall::Fsconfig, Errno::PERM).with_argument(argument), who)
            .reason()
    }

    #[test]
    fn each_obstacle_has_its_own_words() {
        assert_eq!(told(&root(), "tmpfs"), "operation not permitted");
        let bare = Credentials { capabilities: 0, ..root() };
        assert!(told(&bare, "tmpfs").contains("root without CAP_SYS_ADMIN"));
        let user = Credentials { uid: 1000, ..bare };
        assert!(told(&user, "tmpfs").starts_with("it needs CAP_SYS_ADMIN in the user namespace"));
        let inner = Credentials { initial_user_namespace: false, ..root() };
        assert!(told(&inner, "ext4").starts_with("ext4 can't be mounted in a user namespace"));
        assert!(told(&inner, "proc").contains("pid namespace"));
        let above = Credentials { mount_owner: Owner::Above, ..inner };
        assert!(told(&above, "tmpfs").contains("does not own the mount namespace"));
        let filtered = Credentials { seccomp: Some(2), ..root() };
        assert!(told(&filtered, "tmpfs").contains("a seccomp filter is in force that may forbid fsconfig"));
        let confined = Credentials { label: Some("docker-default (enforce)".into()), ..root() };
        assert!(told(&confined, "tmpfs").contains("`docker-default (enforce)`"));
        let free = Credentials { label: Some("unconfined".into()), ..root() };
        assert_eq!(told(&free, "tmpfs"), "operation not permitted");
    }
}
