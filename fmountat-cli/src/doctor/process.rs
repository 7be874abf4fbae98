// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Checks the process: capabilities, confinement and limits.

use crate::doctor::check::Check;
use fmountat::idmap::try_user_namespace;
use fmountat::kernel::{Credentials, Limits, Owner};
use rustix::io::Errno;

const TOPIC: &str = "process";

const LIMITS: &str = "limits";

pub(crate) fn checks(who: &Credentials) -> Vec<Check> {
    let limits = Limits::read();
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

fn mounting(who: &Credentials) -> Check {
    let name = "mounting";
    let user = match (who.uid, who.initial_user_namespace) {
        (0, true) => "root",
        (0, false) => "root of a user namespace",
        _ => "an ordinary user",
    };
    if who.may_mount() {
        let limit = if who.initial_user_namespace { "" } else { "; no devices, no images" };
        return Check::fine(
            TOPIC,
            name,
            format!("{user}, with CAP_SYS_ADMIN over the mount namespace{limit}"),
        );
    }
    if who.mount_owner == Owner::Above && who.is_admin() {
        return Check::missing(
            TOPIC,
            name,
            format!("{user}, but the user namespace does not own the mount namespace"),
        )
        .change("create a mount namespace in this user namespace: unshare --mount");
    }
    let finding = Check::missing(TOPIC, name, format!("{user}, without CAP_SYS_ADMIN"));
    match user {
        "root" => finding.change("give the container or service CAP_SYS_ADMIN"),
        _ => finding
            .instead("`fmountat run`, which creates its own namespaces")
            .change("run as root, or under unshare --user --map-root-user --mount"),
    }
}

fn seccomp(who: &Credentials) -> Check {
    let name = "seccomp filter";
    match (who.seccomp, who.seccomp_filters) {
        (None, _) => Check::unknown(TOPIC, name, "cannot be read without /proc"),
        (Some(0), _) => Check::fine(TOPIC, name, "none"),
        (_, Some(count)) => Check::fine(
            TOPIC,
            name,
            format!("{count} in force; they may forbid the calls that are missing below"),
        ),
        (_, None) => Check::fine(TOPIC, name, "in force; it may forbid the calls that are missing below"),
    }
}

/// Reports the security module that confines the process. Does not print the name of a profile if
/// it is a path.
fn module(who: &Credentials) -> Check {
    let name = "security module";
    match who.confined() {
        None => Check::fine(TOPIC, name, "the process is not confined"),
        Some(label) if label.contains('/') => {
            Check::fine(TOPIC, name, "confined by a profile (name not shown)")
        }
        Some(label) => Check::fine(
            TOPIC,
            name,
            format!("the process is confined as {}", fmountat::text::escape(label.as_bytes())),
        ),
    }
}

fn no_new_privs(who: &Credentials) -> Check {
    let name = "set-user-ID helpers";
    match who.no_new_privs {
        false => Check::fine(TOPIC, name, "gain privilege (no_new_privs is off)"),
        true => Check::missing(TOPIC, name, "gain nothing: no_new_privs is on").change(
            "turn no_new_privs off for fusermount3: NoNewPrivileges=no in systemd, or no no-new-privileges option in docker",
        ),
    }
}

/// Tries to create a user namespace: sysctls, seccomp filters and security modules can all forbid
/// it.
fn user_namespaces(who: &Credentials, limits: &Limits) -> Check {
    let name = "user namespaces";
    let most =
        limits.user_namespaces.map(|most| format!(" (user.max_user_namespaces {most})")).unwrap_or_default();
    let errno = match try_user_namespace() {
        Ok(()) => return Check::fine(LIMITS, name, format!("can be created{most}")),
        Err(error) => Errno::from_raw_os_error(error.errno()),
    };
    let is_off = |path: &str, value| std::fs::read_to_string(path).is_ok_and(|text| text.trim() == value);
    let finding = Check::missing(
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
        Errno::NOSYS | Errno::INVAL => finding.change("use a kernel with CONFIG_USER_NS"),
        Errno::PERM if who.seccomp == Some(0) => {
            finding.change("leave the chroot, if you are in one: the kernel refuses user namespaces in a chroot")
        }
        _ => finding.change("allow clone(CLONE_NEWUSER) in the seccomp profile"),
    }
}

fn mounts(limits: &Limits) -> Check {
    let name = "mounts";
    let (Some(used), Some(most)) = (limits.mounts, limits.mount_max) else {
        return Check::unknown(LIMITS, name, "no limit can be read");
    };
    let found = format!("{used} of {most} (fs.mount-max)");
    match used.saturating_mul(10) >= most.saturating_mul(9) {
        true => Check::missing(LIMITS, name, found)
            .change("unmount leftover mounts, or raise the sysctl fs.mount-max"),
        false => Check::fine(LIMITS, name, found),
    }
}

fn mount_namespaces(limits: &Limits) -> Check {
    let name = "mount namespaces";
    match limits.mount_namespaces {
        Some(0) => Check::missing(LIMITS, name, "none can be created (user.max_mnt_namespaces 0)")
            .change("raise the sysctl user.max_mnt_namespaces"),
        Some(most) => Check::fine(LIMITS, name, format!("{most} for each user (user.max_mnt_namespaces)")),
        None => Check::unknown(LIMITS, name, "no limit can be read"),
    }
}

/// Checks the limit on descriptors: an overlay of 500 layers needs 500 while it is created.
fn files(limits: &Limits) -> Check {
    let name = "open files";
    let used = limits.files.unwrap_or(0);
    match limits.files_max {
        Some(most) if most < used + 520 => {
            Check::missing(LIMITS, name, format!("{most}: too few for an overlay of 500 layers"))
                .change("ulimit -n 1024, or systemd's LimitNOFILE=")
        }
        Some(most) => Check::fine(LIMITS, name, format!("{most} (RLIMIT_NOFILE)")),
        None => Check::fine(LIMITS, name, "no limit"),
    }
}
