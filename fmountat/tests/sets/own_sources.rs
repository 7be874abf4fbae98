// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Checks bind mounts whose source is below the target, where an earlier mount of the list covers
//! it: the source is that mount, as when the list is mounted one by one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::{apply, bind, file, tmpfs, unmount_all};
use fmountat::{ErrorKind, Mount, Mounter, Plan, Target};
use fmountat_testing::{filter, mkdirs, mount_flags, mounts_below, read, scratch, write};
use rustix::fs::CWD;
use std::os::unix::fs::symlink;

fn furnish() {
    mkdirs(scratch(), &["a", "t/mnt", "t/final", "t/beside"]);
    write(file("a/file"), "new");
    write(file("t/mnt/file"), "covered");
    write(file("t/beside/file"), "beside");
    symlink(file("t/mnt"), file("link")).unwrap();
}

/// A list, and the content of `final/file` that it must show.
fn lists() -> Vec<(&'static str, Vec<Mount>, &'static str)> {
    let first = || bind("a", "bind").at("mnt");
    vec![
        ("by its path", vec![first(), bind("t/mnt", "bind").at("final")], "new"),
        ("by a link", vec![first(), bind("link", "rbind,ro").at("final")], "new"),
        ("not covered", vec![first(), bind("t/beside", "bind").at("final")], "beside"),
        ("covered later", vec![bind("t/mnt", "bind").at("final"), first()], "covered"),
        (
            "its mount point is created in the set",
            vec![
                tmpfs().at("mnt"),
                bind("a", "bind").at("mnt/new").option("X-mount.mkdir"),
                bind("t/mnt/new", "bind").at("final"),
            ],
            "new",
        ),
        (
            "in a new root",
            vec![
                tmpfs(),
                bind("a", "bind").at("mnt").option("X-mount.mkdir"),
                bind("t/mnt", "bind").at("final").option("X-mount.mkdir"),
            ],
            "new",
        ),
    ]
}

fn each_shows_the_mount_before_it() {
    furnish();
    for (name, list, want) in lists() {
        apply(&list, "t").unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(read(file("t/final/file")), want, "{name}");
        if name == "by a link" {
            assert!(mount_flags(file("t/final")).starts_with("ro"), "{name}");
        }
        unmount_all("t");
    }
}

/// Applies and explains a list; both must come to the same error.
fn both_fail(list: &[Mount]) -> ErrorKind {
    let plan = Plan::new(list).unwrap();
    let target = Target::open(CWD, file("t")).unwrap();
    let explained = Mounter::detached().explain(CWD, &plan, &target);
    let explained = explained.error().map(|error| error.to_string());
    let error = apply(list, "t").unwrap_err();
    assert_eq!(explained, Some(error.to_string()));
    assert_eq!(mounts_below(scratch()), Vec::<String>::new());
    error.kind()
}

fmountat_testing::cases! {
    fn in_a_detached_tree() needs [Root, Kernel(6, 15)] { each_shows_the_mount_before_it(); }

    /// As before Linux 6.15: nothing is mounted into a detached tree.
    fn in_the_private_namespace() needs [Root] {
        filter::without_detached_children();
        each_shows_the_mount_before_it();
    }

    fn in_a_user_namespace() needs [User] { each_shows_the_mount_before_it(); }

    fn step_by_step() needs [Root] {
        filter::without_one_step();
        each_shows_the_mount_before_it();
    }

    fn a_source_that_the_mount_lacks() needs [Root] {
        furnish();
        let first = bind("a", "bind").at("mnt");
        // It is in the covered directory, and not in the mount that covers it.
        write(file("t/mnt/only"), "covered");
        let second = |options: &str| bind("t/mnt/only", options).at("final");
        assert_eq!(both_fail(&[first.clone(), second("bind")]), ErrorKind::NotFound);
        apply(&[first, second("bind,nofail")], "t").unwrap();
        assert_eq!(mounts_below(file("t")).len(), 2, "the target and mnt");
        unmount_all("t");
    }
}
