// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Checks the process: capabilities, confinement and limits.

use crate::doctor::finding::Finding;
use fmountat::idmap::try_user_namespace;
use fmountat::kernel::{Credentials, Limits, Owner};
use rustix::io::Errno;

const TOPIC: &str = "process";

const LIMITS: &str = "limits";

pub(crate) fn look(who: &Credentials) -> Vec<Finding> {
    let limits = Limits::look();
    vec![
        mounting(who),
        seccomp(who),
        module(who),
        no_new_privs(who),
        user_namespaces(who, &limits),
        mounts(&limits),
        mount_namespaces(&limits),
        files(&limits),
    ]
}

fn mounting(who: &Credentials) -> Finding {
    let name = "mounting";
    let user = match (who.uid, who.initial_user_namespace) {
        (0, true) => "root",
        (0, false) => "root of a user namespace",
        _ => "an ordinary user",
    };
    if who.may_mount() {
        let limit = if who.initial_user_namespace { "" } else { "; no devices, no images" };
        return Finding::fine(
            TOPIC,
            name,
            format!("{user}, with CAP_SYS_ADMIN over the mount namespace{limit}"),
        );
    }
    if who.mount_owner == Owner::Above && who.is_admin() {
        return Finding::missing(
            TOPIC,
            name,
            format!("{user}, but the user namespace does not own the mount namespace"),
        )
        .change("create a mount namespace in it too: unshare --mount");
    }
    let finding = Finding::missing(TOPIC, name, format!("{user}, without CAP_SYS_ADMIN"));
    match user {
        "root" => finding.change("give the container or service CAP_SYS_ADMIN"),
        _ => finding
            .instead("`fmountat run`, which creates its own namespaces")
            .change("run as root, or under unshare --user --map-root-user --mount"),
    }
}

fn seccomp(who: &Credentials) -> Finding {
    let name = "seccomp filter";
    match (who.seccomp, who.seccomp_filters) {
        (None, _) => Finding::unknown(TOPIC, name, "cannot be read without /proc"),
        (Some(0), _) => Finding::fine(TOPIC, name, "none"),
        (_, Some(count)) => Finding::fine(
            TOPIC,
            name,
            format!("{count} in force; they may forbid the calls that are missing below"),
        ),
        (_, None) => Finding::fine(TOPIC, name, "in force; it may forbid the calls that are missing below"),
    }
}

/// Reports the security module that confines the process. The name of a profile may be a path, or
/// be chosen by the user: such a name is not printed.
fn module(who: &Credentials) -> Finding {
    let name = "security module";
    match who.confined() {
        None => Finding::fine(TOPIC, name, "the process is not confined"),
        Some(label) if label.contains('/') => {
            Finding::fine(TOPIC, name, "confined by a profile (name not shown)")
        }
        Some(label) => Finding::fine(
            TOPIC,
            name,
            format!("the process is confined as {}", fmountat::text::escape(label.as_bytes())),
        ),
    }
}

fn no_new_privs(who: &Credentials) -> Finding {
    let name = "set-user-ID helpers";
    match who.no_new_privs {
        false => Finding::fine(TOPIC, name, "gain privilege (no_new_privs is off)"),
        true => Finding::missing(TOPIC, name, "gain nothing: no_new_privs is on").change(
            "fusermount3 needs it off: systemd's NoNewPrivileges=no, or docker without no-new-privileges",
        ),
    }
}

/// Tries to create a user namespace: sysctls, seccomp filters and security modules can all forbid
/// it.
fn user_namespaces(who: &Credentials, limits: &Limits) -> Finding {
    let name = "user namespaces";
    let most =
        limits.user_namespaces.map(|most| format!(" (user.max_user_namespaces {most})")).unwrap_or_default();
    let errno = match try_user_namespace() {
        Ok(()) => return Finding::fine(LIMITS, name, format!("can be created{most}")),
        Err(error) => Errno::from_raw_os_error(error.errno()),
    };
    let is_off = |path: &str, value| std::fs::read_to_string(path).is_ok_and(|text| text.trim() == value);
    let finding = Finding::missing(
        LIMITS,
        name,
        format!("cannot be created{most}; idmap, and `run` without root, need them"),
    );
    match errno {
        Errno::NOSPC | Errno::USERS => finding.change("raise the sysctl user.max_user_namespaces, here and in the namespaces above"),
        _ if is_off("/proc/sys/kernel/unprivileged_userns_clone", "0") && !who.is_admin() => {
            finding.change("sysctl kernel.unprivileged_userns_clone=1")
        }
        _ if is_off("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") && !who.is_admin() => {
            finding.change("sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile that allows userns")
        }
        Errno::NOSYS | Errno::INVAL => finding.change("a kernel with CONFIG_USER_NS"),
        Errno::PERM if who.seccomp == Some(0) => {
            finding.change("leave the chroot, if this is one: the kernel allows none below a changed root directory")
        }
        _ => finding.change("allow clone(CLONE_NEWUSER) in the seccomp profile"),
    }
}

fn mounts(limits: &Limits) -> Finding {
    let name = "mounts";
    let (Some(used), Some(most)) = (limits.mounts, limits.mount_max) else {
        return Finding::unknown(LIMITS, name, "no limit can be read");
    };
    let found = format!("{used} of {most} (fs.mount-max)");
    match used.saturating_mul(10) >= most.saturating_mul(9) {
        true => Finding::missing(LIMITS, name, found)
            .change("unmount leftover mounts, or raise the sysctl fs.mount-max"),
        false => Finding::fine(LIMITS, name, found),
    }
}

fn mount_namespaces(limits: &Limits) -> Finding {
    let name = "mount namespaces";
    match limits.mount_namespaces {
        Some(0) => Finding::missing(LIMITS, name, "none can be created (user.max_mnt_namespaces 0)")
            .change("raise the sysctl user.max_mnt_namespaces"),
        Some(most) => Finding::fine(LIMITS, name, format!("{most} for each user (user.max_mnt_namespaces)")),
        None => Finding::unknown(LIMITS, name, "no limit can be read"),
    }
}

/// Checks the limit on descriptors: creating an overlay of 500 layers takes as many.
fn files(limits: &Limits) -> Finding {
    let name = "open files";
    let used = limits.files.unwrap_or(0);
    match limits.files_max {
        Some(most) if most < used + 520 => {
            Finding::missing(LIMITS, name, format!("{most}: too few for an overlay of 500 layers"))
                .change("ulimit -n 1024, or systemd's LimitNOFILE=")
        }
        Some(most) => Finding::fine(LIMITS, name, format!("{most} (RLIMIT_NOFILE)")),
        None => Finding::fine(LIMITS, name, "no limit"),
    }
}
