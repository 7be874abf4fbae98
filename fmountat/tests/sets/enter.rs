// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A set becomes the root of a mount namespace whose mounts are shared with another one, which
//! keeps its mounts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::{bind, file, tmpfs};
use fmountat::kernel::Features;
use fmountat::overlay::Overlay;
use fmountat::{DetachedSet, Mount, MountAttr, Mounter, Plan, Target};
use fmountat_testing::{
    MountLine, in_own_namespace, mkdirs, mount_table, mounts_below, own_root, scratch, write,
};
use rustix::fs::CWD;
use rustix::mount::{
    MountFlags, MountPropagationFlags as To, mount, mount_bind, mount_bind_recursive, mount_change,
};
use std::path::Path;

/// Propagation changes that a process makes to its copy of the shared mounts before it enters the
/// set.
const PREPARED: [(&str, &[(&str, To)]); 5] = [
    ("all shared", &[]),
    ("only / private", &[("/", To::PRIVATE)]),
    ("all but /proc shared", &[("/proc", To::PRIVATE.union(To::REC))]),
    ("all slaves", &[("/", To::DOWNSTREAM.union(To::REC))]),
    ("all private", &[("/", To::PRIVATE.union(To::REC))]),
];

/// Mounts below the scratch directory, and all of the namespace shared.
fn share_everything() {
    mkdirs(scratch(), &["m/a", "m/b", "lower"]);
    write(file("lower/who"), "lower");
    for name in ["m", "m/a", "m/b"] {
        mount("x", file(name), "tmpfs", MountFlags::empty(), None).unwrap();
        mkdirs(file("m"), &["a", "b", "proc", "new"]);
    }
    mount_bind_recursive("/proc", file("m/proc")).unwrap();
    mount_change("/", To::SHARED | To::REC).unwrap();
}

/// In a mount namespace that is a copy of the case's, which must be afterwards as it was before.
fn enter_elsewhere(what: &str, prepare: &[(&str, To)], build: fn() -> DetachedSet, check: fn()) {
    let before = mount_table();
    in_own_namespace(|| {
        for (path, propagation) in prepare {
            mount_change(*path, *propagation).unwrap();
        }
        build().enter().unwrap_or_else(|e| panic!("{what}: {e}"));
        check();
        assert_eq!(std::env::current_dir().unwrap(), Path::new("/"), "{what}");
    });
    let after = mount_table();
    assert_eq!(after.len(), before.len(), "{what}");
    assert_eq!(after, before, "{what}");
}

fn proc() -> Mount {
    Mount::new("bind", "/proc").at("/proc").option("rbind,X-mount.mkdir")
}

fn build(mounts: &[Mount]) -> DetachedSet {
    let plan = Plan::new(mounts).unwrap();
    Mounter::detached().build(CWD, &plan, &Target::open(CWD, "/").unwrap()).unwrap()
}

fn detached() -> DetachedSet {
    build(&[tmpfs(), proc(), tmpfs().at("/a").option("X-mount.mkdir")])
}

/// Mounted in the namespace itself, as before Linux 6.15.
fn here() -> DetachedSet {
    let mounter = Mounter::with(Features::get().at_most(6, 1), None).in_own_namespace();
    let plan = Plan::new(&[proc(), tmpfs().at("/a").option("X-mount.mkdir")]).unwrap();
    let uppers = mounter.ephemeral_uppers().unwrap();
    let overlay = uppers.give(CWD, Overlay::new().lower(file("lower"))).unwrap();
    let root = mounter.overlay_tree(CWD, &overlay, &MountAttr::default()).unwrap();
    mounter.build_onto(CWD, mounter.begin(root).unwrap(), &plan).unwrap()
}

fn line(path: &str) -> MountLine {
    let found: Vec<_> = mount_table().into_iter().filter(|line| line.point == Path::new(path)).collect();
    assert_eq!(found.len(), 1, "{path}: {found:#?}");
    found.into_iter().next().unwrap()
}

/// Asserts that the namespace has only the mounts of the set.
fn only_the_set() {
    let left: Vec<_> = mount_table().into_iter().filter(|line| !line.point.starts_with("/proc")).collect();
    assert_eq!(left.len(), 2, "{left:#?}");
    for path in ["/", "/a"] {
        assert!(line(path).propagation.is_empty(), "{left:#?}");
    }
}

/// Returns a set in which the root and the mount below it are peers of their sources.
fn shared_set() -> DetachedSet {
    build(&[bind("m", "rbind,rshared")])
}

fn slave_set() -> DetachedSet {
    build(&[bind("m", "rbind,rslave")])
}

fn tmpfs_alone() -> DetachedSet {
    build(&[tmpfs()])
}

fn all_are(word: &str) {
    for path in ["/", "/a", "/b"] {
        let line = line(path);
        assert!(matches!(&*line.propagation, [one] if one.starts_with(word)), "{line:?}");
    }
}

fmountat_testing::cases! {
    /// Built detached, and mounted in the namespace: the process sees only the set, and the mounts
    /// of the other namespace are unchanged.
    fn the_other_namespace_keeps_its_mounts() needs [] {
        share_everything();
        for (name, prepare) in PREPARED {
            enter_elsewhere(name, prepare, detached, only_the_set);
            // Where the place that it would be mounted on is shared the builder refuses.
            if !["all shared", "only / private"].contains(&name) {
                enter_elsewhere(&format!("{name}, mounted here"), prepare, here, only_the_set);
            }
        }
    }

    /// The set has the propagation that the list requests, and the peers of the root are unchanged.
    fn the_set_has_the_propagation_asked_for() needs [Kernel(6, 15)] {
        share_everything();
        for (name, prepare) in [PREPARED[0], PREPARED[1], PREPARED[2]] {
            enter_elsewhere(name, prepare, slave_set, || all_are("master:"));
            enter_elsewhere(name, prepare, shared_set, || all_are("shared:"));
        }
        let group = |path: &str| line(file(path).to_str().unwrap()).propagation;
        let groups = [group("m"), group("m/a")];
        in_own_namespace(|| {
            shared_set().enter().unwrap();
            mount("x", "/new", "tmpfs", MountFlags::empty(), None).unwrap();
        });
        assert_eq!((mounts_below(file("m/new")).len(), [group("m"), group("m/a")]), (1, groups));
    }

    /// In a chroot the kernel refuses: nothing is left mounted anywhere, and the cwd is unchanged.
    fn a_failure_leaves_nothing() needs [] {
        mkdirs(scratch(), &["jail/proc", "jail/in", "mounted/proc", "mounted/in"]);
        mount_bind(file("mounted"), file("mounted")).unwrap();
        for jail in ["jail", "mounted"] {
            mount_bind_recursive("/proc", file(jail).join("proc")).unwrap();
        }
        share_everything();
        let before = mount_table();
        for (jail, call) in [("jail", "mount"), ("mounted", "pivot_root")] {
            in_own_namespace(|| {
                let built = tmpfs_alone();
                own_root(&file(jail));
                std::env::set_current_dir("/in").unwrap();
                let inside = mount_table();
                let error = built.enter().unwrap_err();
                assert_eq!((error.call().map(fmountat::error::Syscall::name), error.errno()), (Some(call), libc::EINVAL), "{error}");
                assert!(error.hint().is_some_and(|hint| hint.contains("chroot")), "{error}");
                assert_eq!(std::env::current_dir().unwrap(), Path::new("/in"));
                assert_eq!(mount_table().len(), inside.len(), "{:#?}", mount_table());
            });
            assert_eq!(mount_table(), before, "{call}");
        }
    }
}
