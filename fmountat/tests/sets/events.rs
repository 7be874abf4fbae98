// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests the events of the cargo feature `tracing`: what a subscriber sees of a set, of a strategy
//! that fails and of a rollback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::{bind, file, tmpfs, unmount_all};
use fmountat::call::PrivateCwd;
use fmountat::helper::{HELPER_LIMIT, Helper};
use fmountat::kernel::Features;
use fmountat::overlay::Overlay;
use fmountat::{Mount, Mounter, Plan, Target};
use fmountat_testing::{events_of, filter, mkdirs, scratch, write};
use rustix::fs::CWD;
use std::os::unix::fs::PermissionsExt;

/// The events of a set, without the strategies below it.
const OF_A_SET: &[&str] =
    &["apply", "step", "strategy operation=\"publish a set\"", "attached", "published", "rolled back"];

const MAPPED: &str = "bind,uidmap=0:100000:1000,gidmap=0:100000:1000";

fn target() -> Target {
    mkdirs(scratch(), &["t", "s"]);
    Target::open(CWD, file("t")).unwrap()
}

/// Returns a root, a directory in it, and one hidden path.
fn plan() -> Plan {
    let mounts = [tmpfs(), bind("s", "bind").at("/in").option("X-mount.mkdir")];
    let spec = format!(
        r#"{{"mounts": [{}], "linux": {{"maskedPaths": ["/in"]}}}}"#,
        mounts.map(|mount| serde_json::to_string(&mount).unwrap()).join(", ")
    );
    Plan::new(fmountat::Spec::from_json(spec.as_bytes()).unwrap()).unwrap()
}

/// Returns a handle with the features of this kernel, as changed by `change`.
fn mounter(change: impl FnOnce(&mut Features)) -> Mounter {
    let mut features = Features::get();
    change(&mut features);
    Mounter::with(features, None)
}

/// Applies the plan; the events, with the scratch directory as `S`.
fn events_of_set(mounter: &Mounter, plan: &Plan) -> Vec<String> {
    let target = target();
    let (done, lines) = events_of(OF_A_SET, || mounter.apply(CWD, plan, &target));
    let id = done.map_or(0, |applied| applied.id.get());
    let name = |line: String| {
        let line = line.replace(scratch().to_str().unwrap(), "S");
        line.replace(&format!("mount_id={id}"), "mount_id=ID")
    };
    lines.into_iter().map(name).collect()
}

/// Returns the events of the plan's two mounts and its hidden path.
fn steps(strategy: &str, is_built_first: bool) -> Vec<String> {
    let made = [
        "step mount=1 mount_point=/ fstype=tmpfs",
        "step mount=2 mount_point=/in fstype=bind",
        "step mount=3 mount_point=/in fstype=tmpfs",
    ];
    let attached = [
        "attached mount=1 mount_point=/",
        "attached mount=2 mount_point=/in",
        "attached mount=3 mount_point=/in",
    ];
    let strategy = format!("strategy operation=\"publish a set\" strategy=\"{strategy}\"");
    let mut lines = vec!["apply mount_point=S/t mounts=2", &strategy];
    match is_built_first {
        true => lines.extend([made[0], made[1], attached[0], attached[1], made[2], attached[2]]),
        false => lines.extend(made.iter().zip(attached).flat_map(|(made, attached)| [*made, attached])),
    }
    if is_built_first {
        lines.push("published mount_point=S/t mount_id=ID");
    }
    lines.into_iter().map(str::to_owned).collect()
}

/// Operation and strategy of each that `Features` decide on, as an event has them.
fn decided() -> Vec<String> {
    let (_, table) = include_str!("../../src/strategy.rs").split_once("\nstrategies! {").unwrap();
    let mut operation = "";
    let mut all = Vec::new();
    for line in table.lines().filter(|line| !line.trim_start().starts_with("//")) {
        match line.split('"').collect::<Vec<_>>()[..] {
            [_, name, " {"] => operation = name,
            [_, name, _] => all.push(format!("strategy operation=\"{operation}\" strategy=\"{name}\"")),
            _ => {}
        }
    }
    assert!(all.len() >= 14, "{all:#?}");
    all
}

/// Publishes a set with a directory of an overlay, id-mapped where possible, and replaces it by
/// another set.
fn apply_and_swap(mounter: &Mounter, is_mapped: bool) {
    let mapped = if is_mapped { ",uidmap=0:100000:1000,gidmap=0:100000:1000" } else { "" };
    let layers = ["l1", "l2", "u", "w"].map(|name| file(name).display().to_string());
    let [lower, lowest, upper, work] = layers;
    let options = format!(
        "lowerdir={lower}:{lowest},upperdir={upper},workdir={work},X-mount.subdir=in,X-mount.mkdir{mapped}"
    );
    let set = Plan::new(&[tmpfs(), Mount::new("overlay", "overlay").at("/o").option(options)]).unwrap();
    mounter.apply(CWD, &set, &target()).unwrap();
    let other = mounter.build(CWD, &Plan::new(&[tmpfs()]).unwrap(), &target()).unwrap();
    mounter.swap(other, &target()).unwrap();
    unmount_all("t");
}

fmountat_testing::cases! {
    /// Each strategy in `strategy.rs` is used by what some kernel has, and works.
    fn every_strategy_is_used() needs [Kernel(6, 15), Root, Filesystem("overlay")] {
        mkdirs(scratch(), &["l1/in", "l2", "u", "w"]);
        let ((), lines) = events_of(&["strategy"], || {
            for (major, minor) in [(5, 14), (6, 1), (6, 6), (6, 12), (6, 15)] {
                let mounter = Mounter::with(Features::get().at_most(major, minor), None);
                for is_mapped in [false, true] {
                    if (major, minor) >= (6, 0) || !is_mapped {
                        apply_and_swap(&mounter, is_mapped);
                    }
                }
            }
            let mut features = Features::get();
            (features.detached_children, features.private_namespace) = (false, false);
            Mounter::with(features, None).apply(CWD, &plan(), &target()).unwrap();
            unmount_all("t");
            features.detached_children = true;
            apply_and_swap(&Mounter::with(features, None), true);
            for features in [Features::get(), Features::get().at_most(6, 19)] {
                let set = Mounter::with(features, None).build(CWD, &plan(), &target()).unwrap();
                set.into_namespace().unwrap();
            }
        });
        let is_here = |strategy: &String| Features::get().namespace_of_tree || !strategy.contains("as a namespace");
        let decided = decided().into_iter().filter(is_here);
        let unused: Vec<_> = decided.filter(|strategy| !lines.contains(strategy)).collect();
        assert!(unused.is_empty(), "{unused:#?}");
    }

    fn of_a_set_in_a_detached_tree() needs [Kernel(6, 15)] {
        let expected = steps("built detached, published in one step", true);
        assert_eq!(events_of_set(&mounter(|_| {}), &plan()), expected);
    }

    /// The events on the thread in the private mount namespace are among them.
    fn of_a_set_in_a_private_namespace() needs [] {
        let expected = steps("built in a private mount namespace, published in one step", true);
        assert_eq!(events_of_set(&mounter(|features| features.detached_children = false), &plan()), expected);
    }

    fn of_a_set_step_by_step() needs [] {
        let stepwise = mounter(|features| (features.detached_children, features.private_namespace) = (false, false));
        assert_eq!(events_of_set(&stepwise, &plan()), steps("step by step, taken back on failure", false));
    }

    fn of_a_roll_back() needs [] {
        let stepwise = mounter(|features| (features.detached_children, features.private_namespace) = (false, false));
        let missing = Plan::new(&[tmpfs(), bind("missing", "bind").at("/in")]).unwrap();
        let events = events_of_set(&stepwise, &missing);
        assert_eq!(events.last().unwrap(), "rolled back mounts=1 left=0", "{events:#?}");
    }

    /// A filter forbids the first strategy: the event has its errno and names the next strategy.
    fn of_a_fallback() needs [Root] {
        const PIDFD_GET_USER_NAMESPACE: u64 = 0xff09;
        let mapped = Plan::new(&[bind("s", MAPPED)]).unwrap();
        let target = target();
        filter::errno_when(libc::SYS_ioctl, 1, PIDFD_GET_USER_NAMESPACE, libc::EPERM.unsigned_abs());
        let names = ["fallback operation=\"open a", "strategy operation=\"open a"];
        let (done, lines) = events_of(&names, || Mounter::detached().apply(CWD, &mapped, &target));
        done.unwrap();
        assert_eq!(lines, [
            "fallback operation=\"open a user namespace\" strategy=\"pidfd\" errno=\"EPERM\"",
            "strategy operation=\"open a user namespace\" strategy=\"/proc/PID/ns/user\"",
        ]);
    }

    /// A subscriber takes locks: in a child of a process with threads that could be for ever.
    fn no_event_is_of_a_child_process() needs [Root] {
        let target = target();
        mkdirs(scratch(), &["l", "u", "w", "m", "h"]);
        let overlay = Overlay::new().lower(file("l")).upper(file("u"), file("w"));
        write(file("bin/mount.script"), "#!/bin/sh\nexec mount -t tmpfs helped \"$2\"\n");
        std::fs::set_permissions(file("bin/mount.script"), PermissionsExt::from_mode(0o755)).unwrap();
        let helper = Helper::find_in("script", &[], &[file("bin")]).unwrap().unwrap();
        let mapped = Plan::new(&[bind("s", MAPPED)]).unwrap();
        // Under a filter a child asks the kernel.
        filter::errno_on(&[libc::SYS_acct], libc::EPERM.unsigned_abs());
        let ((), lines) = events_of(&[""], || {
            let by_child = Mounter::with(Features::probe(), Some(PrivateCwd::child()));
            by_child.overlay(CWD, &overlay, file("m")).unwrap();
            helper.mount(CWD, "helped", &Target::open(CWD, file("h")).unwrap(), &[], HELPER_LIMIT).unwrap();
            by_child.apply(CWD, &mapped, &target).unwrap();
        });
        for operation in ["call mount(2)", "probe the kernel", "map the owners of a mount"] {
            assert!(lines.iter().any(|line| line.contains(operation)), "{operation}: {lines:#?}");
        }
        assert!(!lines.iter().any(|line| line.contains("in a child process")), "{lines:#?}");
    }
}
