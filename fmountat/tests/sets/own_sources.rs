// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Checks bind mounts whose source is below the target, where an earlier mount of the list covers
//! it: the source is that mount, as when the list is mounted one by one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::strategies::as_on_6_12;
use crate::common::{apply, bind, file, tmpfs};
use fmountat::kernel::Features;
use fmountat::strategy::Strategy;
use fmountat::{Error, ErrorKind, Mount, Mounter, Plan, Target, Unmount};
use fmountat_testing::{command_output, filter, mkdirs, mount_flags, mounts_below, read, scratch, write};
use rustix::fs::CWD;
use std::os::unix::fs::symlink;

fn furnish() {
    mkdirs(scratch(), &["a", "t/mnt", "t/final", "t/beside"]);
    write(file("a/file"), "new");
    write(file("t/mnt/file"), "covered");
    write(file("t/beside/file"), "beside");
    symlink(file("t/mnt"), file("link")).unwrap();
}

/// Returns lists by name, each with the expected content of `final/file`.
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

/// As where unshare(2) is forbidden, before Linux 6.15.
fn stepwise() -> Mounter {
    let mut features = Features::get();
    (features.detached_children, features.private_namespace) = (false, false);
    Mounter::with(features, None)
}

fn apply_by(mounter: &Mounter, list: &[Mount]) -> Result<Strategy, Error> {
    let target = Target::open(CWD, file("t"))?;
    mounter.apply(CWD, &Plan::new(list)?, &target).map(|applied| applied.strategy)
}

/// Unmounts the set, which may have no mount on the target itself.
fn unmount_all() {
    for place in mounts_below(file("t")).iter().rev() {
        Unmount::new().lazy(true).run(place).unwrap();
    }
}

fn each_shows_the_mount_before_it(mounter: &Mounter, strategy: Option<Strategy>) {
    furnish();
    for (name, list, want) in lists() {
        let applied = apply_by(mounter, &list).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(strategy.is_none_or(|strategy| strategy == applied), "{name}: {applied:?}");
        assert_eq!(read(file("t/final/file")), want, "{name}");
        if name == "by a link" {
            assert!(mount_flags(file("t/final")).starts_with("ro"), "{name}");
        }
        unmount_all();
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

fn refused_in_the_set() {
    furnish();
    mkdirs(scratch(), &["t/mnt/sub", "t/u", "t/w", "t/under/mnt"]);
    for image in ["a/image", "t/mnt/image", "t/image"] {
        std::fs::File::create(file(image)).unwrap().set_len(4 << 20).unwrap();
        command_output(std::process::Command::new("mkfs.ext4").arg("-q").arg(file(image)));
    }
    let first = || bind("a", "bind").at("mnt");
    let t = file("t").display().to_string();
    let overlay = |options: &str| {
        Mount::new("overlay", "overlay").option(options.replace("T/", &format!("{t}/"))).at("final")
    };
    let image = |path: &str| Mount::new("ext4", file(path)).option("ro").at("final");
    for refused in [
        overlay("lowerdir=T/mnt:T/beside"),
        overlay("lowerdir=T/beside:T/mnt/sub"),
        overlay("lowerdir=T/beside,upperdir=T/mnt,workdir=T/w"),
        overlay("lowerdir=T/beside,upperdir=T/u,workdir=T/mnt/sub"),
        image("t/mnt/image"),
    ] {
        assert_eq!(both_fail(&[first(), refused.clone()]), ErrorKind::Unsupported, "{refused:?}");
        // A root covers all.
        assert_eq!(both_fail(&[tmpfs(), refused]), ErrorKind::Unsupported);
    }
    for mounts in [
        vec![first(), overlay("lowerdir=T/beside,upperdir=T/u,workdir=T/w")],
        vec![first(), image("t/image")],
        // A mount below a layer is no part of it; one that follows covers nothing yet.
        vec![bind("a", "bind").at("under/mnt"), overlay("lowerdir=T/beside:T/under")],
        vec![overlay("lowerdir=T/beside:T/mnt"), first()],
    ] {
        apply(&mounts, "t").unwrap();
        unmount_all();
    }
}

fmountat_testing::cases! {
    fn in_a_detached_tree() needs [Root, Kernel(6, 15)] {
        each_shows_the_mount_before_it(&Mounter::detached(), Some(Strategy::Detached));
    }

    /// Emulates a kernel before Linux 6.15, which cannot mount into a detached tree.
    fn in_the_private_namespace() needs [Root] {
        filter::without_detached_children();
        each_shows_the_mount_before_it(&as_on_6_12(), Some(Strategy::PrivateNamespace));
    }

    fn in_a_user_namespace() needs [User] { each_shows_the_mount_before_it(&Mounter::detached(), None); }

    fn step_by_step() needs [Root] {
        filter::without_one_step();
        each_shows_the_mount_before_it(&stepwise(), Some(Strategy::StepByStep));
    }

    /// Layers and images are opened before the set is assembled: they would be what is covered.
    fn layers_and_images_of_the_set() needs [Root, Filesystem("overlay"), Tool("mkfs.ext4")] {
        refused_in_the_set();
    }

    fn layers_and_images_in_the_private_namespace() needs [Root, Filesystem("overlay"), Tool("mkfs.ext4")] {
        filter::without_detached_children();
        refused_in_the_set();
    }

    fn layers_and_images_step_by_step() needs [Root, Filesystem("overlay")] {
        filter::without_one_step();
        furnish();
        mkdirs(scratch(), &["a/upper", "a/work"]);
        write(file("a/upper/file"), "new");
        for options in ["lowerdir=T/mnt:T/beside", "lowerdir=T/beside,upperdir=T/mnt/upper,workdir=T/mnt/work"] {
            let options = options.replace('T', &file("t").display().to_string());
            let list = [bind("a", "bind").at("mnt"), Mount::new("overlay", "overlay").option(options).at("final")];
            let plan = Plan::new(&list).unwrap();
            let target = Target::open(CWD, file("t")).unwrap();
            let explained = stepwise().explain(CWD, &plan, &target);
            assert!(explained.error().is_none(), "{explained}");
            assert_eq!(apply_by(&stepwise(), &list).unwrap(), Strategy::StepByStep);
            assert_eq!(read(file("t/final/file")), "new");
            unmount_all();
        }
    }

    fn a_source_that_the_mount_lacks() needs [Root] {
        furnish();
        let first = bind("a", "bind").at("mnt");
        // The source is in the covered directory, and not in the mount that covers the directory.
        write(file("t/mnt/only"), "covered");
        let second = |options: &str| bind("t/mnt/only", options).at("final");
        assert_eq!(both_fail(&[first.clone(), second("bind")]), ErrorKind::NotFound);
        apply(&[first, second("bind,nofail")], "t").unwrap();
        assert_eq!(mounts_below(file("t")).len(), 2, "the target and mnt");
        unmount_all();
    }
}
