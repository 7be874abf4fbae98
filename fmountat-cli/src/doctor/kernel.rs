// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Checks the kernel: system calls and file systems, each with its substitute.

use crate::doctor::check::Check;
use fmountat::kernel::{Credentials, Features, has_module, kernel_features, kernel_filesystems};
use fmountat::procfs;
use fmountat::strategy::Strategy;
use fmountat::table::{TableStrategy, Watch};

const TOPIC: &str = "kernel";

pub(crate) fn checks(features: &Features, who: &Credentials) -> Vec<Check> {
    let feature = |name, since: &str, is_there: bool, instead: &str| {
        let change = match who.seccomp {
            Some(0) => format!("Linux {since}"),
            _ => format!("Linux {since}; in a container, its seccomp profile must allow it"),
        };
        match is_there {
            true => Check::fine(TOPIC, name, format!("available [{since}]")),
            false => {
                Check::missing(TOPIC, name, format!("missing [{since}]")).instead(instead).change(change)
            }
        }
    };
    // The releases and substitutes are those of the feature table of the library.
    let known = |name, field: &str| {
        let row = kernel_features().iter().find(|row| row.name == field);
        row.map(|row| feature(name, &row.since(), row.is_in(features), row.instead))
    };
    let mount_setattr = match who.may_mount() {
        true => known("mount_setattr", "mount_setattr"),
        // The kernel checks privilege before anything else, so the probe fails alike on all
        // kernels.
        false => Some(Check::unknown(TOPIC, "mount_setattr", "cannot be probed without privilege [5.12]")),
    };
    let events = match who.may_mount() {
        true if procfs::check().is_err() => {
            Check::missing(TOPIC, "mount events", "need /proc").change("mount proc on /proc")
        }
        true => feature("mount events", "6.15", Watch::has_events(), "polling of /proc/PID/mountinfo"),
        false => Check::unknown(TOPIC, "mount events", "cannot be probed without privilege [6.15]"),
    };
    let all = [
        Some(sets(features)),
        known("fsopen and its like", "new_mount_api"),
        known("openat2", "openat2"),
        mount_setattr,
        known("mapped overlays", "overlay_mapped_layers"),
        known("swaps of sets", "move_beneath"),
        known("marks in a tmpfs", "tmpfs_user_attributes"),
        known("overlay lowerdir+", "overlay_append_layers"),
        Some(feature(
            "mounts by unique id",
            "6.8",
            TableStrategy::Statmount.is_available(),
            "/proc/PID/mountinfo",
        )),
        known("overlay layers by fd", "overlay_layer_fds"),
        known("detached trees", "detached_children"),
        Some(events),
        known("open_tree_attr", "open_tree_attr"),
    ];
    let mut findings: Vec<Check> = all.into_iter().flatten().collect();
    findings.extend(filesystems());
    findings
}

fn sets(features: &Features) -> Check {
    let name = "sets of mounts";
    match features.strategy() {
        Some(Strategy::Detached) => Check::fine(TOPIC, name, "built detached, published in one step"),
        Some(Strategy::PrivateNamespace) => Check::missing(TOPIC, name, "not in a detached tree")
            .instead("a private mount namespace, published in one step")
            .change("Linux 6.15"),
        None => Check::missing(TOPIC, name, "refused")
            .instead("`fmountat()` and single overlays through mount(2)")
            .change(
                "in a container, allow fsopen(2), fsconfig(2), fsmount(2), open_tree(2), move_mount(2) and \
                 mount_setattr(2) in its seccomp profile",
            ),
        _ => Check::missing(TOPIC, name, "not in one step")
            .instead("mount by mount, rolled back on failure")
            .change("Linux 6.15; or allow unshare(2), mount /proc, and use a root directory that is a mount"),
    }
}

/// The file systems that containers and images use.
const WANTED: [&str; 12] = [
    "overlay", "tmpfs", "proc", "sysfs", "devpts", "mqueue", "cgroup2", "ext4", "xfs", "erofs", "squashfs",
    "fuse",
];

fn filesystems() -> Vec<Check> {
    const TOPIC: &str = "file systems";
    let Some(listed) = kernel_filesystems() else {
        return vec![Check::unknown(TOPIC, "available", "cannot be read without /proc/filesystems")];
    };
    let (there, missing): (Vec<&str>, Vec<&str>) =
        WANTED.into_iter().partition(|name| listed.iter().any(|known| known == name));
    let (loadable, gone): (Vec<&str>, Vec<&str>) = missing.into_iter().partition(|name| has_module(name));
    let mut findings = vec![Check::fine(TOPIC, "available", there.join(" "))];
    if !loadable.is_empty() {
        let names = loadable.join(" ");
        findings.push(
            Check::missing(TOPIC, "modules", names.clone())
                .instead("loaded by the kernel at the first mount")
                .change(format!("in a container they are not loaded: modprobe -a {names} on the host")),
        );
    }
    if !gone.is_empty() {
        findings.push(
            Check::missing(TOPIC, "absent", gone.join(" "))
                .change("a kernel with these file systems, or FUSE"),
        );
    }
    findings
}
