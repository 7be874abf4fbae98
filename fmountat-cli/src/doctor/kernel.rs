// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the kernel has: calls and file systems, each with what is used in its place.

use crate::doctor::finding::Finding;
use fmountat::kernel::{Credentials, Features, has_module, kernel_features, kernel_filesystems};
use fmountat::procfs;
use fmountat::strategy::Strategy;
use fmountat::table::{TableStrategy, Watch};

const TOPIC: &str = "kernel";

pub(crate) fn look(features: &Features, who: &Credentials) -> Vec<Finding> {
    let feature = |name, since: &str, is_there: bool, instead: &str| {
        let change = match who.seccomp {
            Some(0) => format!("use Linux {since} or newer"),
            _ => format!("use Linux {since} or newer; in a container, allow it in the seccomp profile"),
        };
        match is_there {
            true => Finding::fine(TOPIC, name, format!("available [{since}]")),
            false => {
                Finding::missing(TOPIC, name, format!("missing [{since}]")).instead(instead).change(change)
            }
        }
    };
    // The releases and what is done without are those of the table.
    let known = |name, field: &str| {
        let row = kernel_features().iter().find(|row| row.name == field);
        row.map(|row| feature(name, &row.since(), row.is_in(features), row.instead))
    };
    let mount_setattr = match who.may_mount() {
        true => known("mount_setattr", "mount_setattr"),
        // The kernel looks at privilege first.
        false => Some(Finding::fine(TOPIC, "mount_setattr", "unknown without privilege [5.12]")),
    };
    let events = match who.may_mount() {
        true if procfs::check().is_err() => {
            Finding::missing(TOPIC, "mount events", "not available without /proc")
                .change("mount proc on /proc")
        }
        true => {
            feature("mount events", "6.15", Watch::has_events(), "comparing snapshots of /proc/PID/mountinfo")
        }
        false => Finding::fine(TOPIC, "mount events", "unknown without privilege [6.15]"),
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
    let mut findings: Vec<Finding> = all.into_iter().flatten().collect();
    findings.extend(filesystems());
    findings
}

fn sets(features: &Features) -> Finding {
    let name = "sets of mounts";
    match features.strategy() {
        Some(Strategy::Detached) => Finding::fine(TOPIC, name, "built detached, published in one step"),
        Some(Strategy::PrivateNamespace) => Finding::missing(TOPIC, name, "not in a detached tree")
            .instead("a private mount namespace, published in one step")
            .change("use Linux 6.15 or newer"),
        None => Finding::missing(TOPIC, name, "refused")
            .instead("`fmountat()` and single overlays by mount(2)")
            .change(
                "in a container, allow fsopen(2), fsconfig(2), fsmount(2), open_tree(2), move_mount(2) and \
                 mount_setattr(2) in the seccomp profile",
            ),
        _ => Finding::missing(TOPIC, name, "not in one step")
            .instead("mount by mount, rolled back on failure")
            .change(
                "use Linux 6.15 or newer; or allow unshare(2), mount /proc, and use a root directory \
                     that is a mount point",
            ),
    }
}

/// Those that containers and images live on.
const WANTED: [&str; 12] = [
    "overlay", "tmpfs", "proc", "sysfs", "devpts", "mqueue", "cgroup2", "ext4", "xfs", "erofs", "squashfs",
    "fuse",
];

fn filesystems() -> Vec<Finding> {
    const TOPIC: &str = "file systems";
    let Some(listed) = kernel_filesystems() else {
        return vec![Finding::fine(TOPIC, "there", "unknown without /proc/filesystems")];
    };
    let (there, missing): (Vec<&str>, Vec<&str>) =
        WANTED.into_iter().partition(|name| listed.iter().any(|known| known == name));
    let (loadable, gone): (Vec<&str>, Vec<&str>) = missing.into_iter().partition(|name| has_module(name));
    let mut findings = vec![Finding::fine(TOPIC, "there", there.join(" "))];
    if !loadable.is_empty() {
        let names = loadable.join(" ");
        findings.push(
            Finding::missing(TOPIC, "modules", names.clone())
                .instead("loaded on the first mount")
                .change(format!("in a container, load them on the host: modprobe -a {names}")),
        );
    }
    if !gone.is_empty() {
        findings.push(
            Finding::missing(TOPIC, "absent", gone.join(" "))
                .change("use a kernel that supports them, or FUSE"),
        );
    }
    findings
}
