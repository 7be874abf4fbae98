// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sets on kernels that cannot mount into a detached tree: assembled in a private mount namespace,
//! published in one step.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::strategies::{as_on_6_12, tmpfs};
use fmountat::kernel::Features;
use fmountat::strategy::Strategy;
use fmountat::{DetachedSet, ErrorKind, Mount, Mounter, Plan, Target, Unmount};
use fmountat_testing::{in_own_namespace, mkdirs, mount_table, mounts_below, read, scratch, write};
use rustix::fs::CWD;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use std::path::{Path, PathBuf};

fn file(path: &str) -> PathBuf {
    scratch().join(path)
}

fn target(path: &str) -> Target {
    Target::open(CWD, file(path)).unwrap()
}

fn build(mounter: &Mounter, mounts: &[Mount], at: &str) -> Result<DetachedSet, fmountat::Error> {
    mounter.build(CWD, &Plan::new(mounts)?, &target(at))
}

fn unmount(path: &str) {
    Unmount::new().recursive(true).run(file(path)).unwrap();
}

/// Everything that can be in a set without privilege, with flags of all sorts.
fn rich() -> Vec<Mount> {
    vec![
        Mount::new("bind", file("root")).option("rbind,nosuid"),
        tmpfs().at("tmp").option("X-mount.mkdir,mode=1777,noatime,size=64k"),
        Mount::new("bind", file("data")).at("data").option("rbind,rro,X-mount.mkdir"),
        Mount::new("bind", file("data/file")).at("etc/file").option("bind,ro,X-mount.mkdir"),
        tmpfs().at("/link/deep/er").option("X-mount.mkdir=750,shared"),
        tmpfs().at("data/sub/on").option("noexec"),
    ]
}

/// Returns the mounts below a directory as the table has them, without ids.
fn shape(at: &str) -> Vec<(PathBuf, String, String, String, usize)> {
    let below = mount_table().into_iter().filter(|line| line.point.starts_with(file(at)));
    let lines = below.map(|line| {
        let place = line.point.strip_prefix(file(at)).unwrap().to_owned();
        (place, line.fstype, line.flags, line.root, line.propagation.len())
    });
    let mut lines: Vec<_> = lines.collect();
    lines.sort();
    lines
}

fn make_sources() {
    write(file("data/file"), "of data");
    mkdirs(scratch(), &["t", "u", "root/etc", "root/else", "data/sub/on"]);
    std::os::unix::fs::symlink("/else", file("root/link")).unwrap();
    tmpfs_on("data/sub");
    mkdirs(scratch(), &["data/sub/on"]);
}

fn tmpfs_on(at: &str) {
    Mounter::detached().apply(CWD, &Plan::new(&[tmpfs()]).unwrap(), &target(at)).unwrap();
}

fmountat_testing::cases! {
    /// Builds the same mounts as the strategy with a detached tree.
    fn the_same_set_as_built_detached() needs [] {
        make_sources();
        let plan = Plan::new(rich()).unwrap();
        assert_eq!((as_on_6_12().strategy(&plan), as_on_6_12().need_one_step(&plan).is_ok()), (Strategy::PrivateNamespace, true));
        let before = mount_table().len();
        let built = build(&as_on_6_12(), &rich(), "t").unwrap();
        assert_eq!(mount_table().len(), before, "nothing is seen before it is published");
        built.attach(&target("t")).unwrap();
        build(&Mounter::detached(), &rich(), "u").unwrap().attach(&target("u")).unwrap();
        assert_eq!(shape("t"), shape("u"));
        assert_eq!(shape("t").len(), 7);
        assert_eq!(read(file("t/etc/file")), "of data");
        unmount("t");
        unmount("u");
        unmount("data/sub");
    }

    /// A set without a root is built in a copy of the target and replaces it in one step.
    fn a_copy_of_the_target_and_a_swap() needs [Kernel(6, 5)] {
        mkdirs(scratch(), &["t/in"]);
        write(file("t/was"), "there");
        tmpfs_on("t/in");
        let mounts = [tmpfs().at("new").option("X-mount.mkdir"), tmpfs().at("in/deep").option("X-mount.mkdir")];
        build(&as_on_6_12(), &mounts, "t").unwrap().attach(&target("t")).unwrap();
        assert_eq!((read(file("t/was")), shape("t").len()), ("there".into(), 5));
        build(&as_on_6_12(), &[tmpfs(), tmpfs().at("a").option("X-mount.mkdir")], "t").unwrap().replace(&target("t")).unwrap();
        assert!(!file("t/was").exists() && file("t/a").exists());
        unmount("t");
    }

    /// A failure in the private namespace leaves no mount and no directory, also on the host.
    fn a_failure_leaves_nothing() needs [] {
        make_sources();
        let before = (mount_table(), std::fs::read_dir(file("root")).unwrap().count());
        let mut mounts = rich();
        mounts.push(tmpfs().at("nowhere"));
        let error = build(&as_on_6_12(), &mounts, "t").unwrap_err();
        assert!(error.step().starts_with("mount 7: "), "{error}");
        assert_eq!((mount_table(), std::fs::read_dir(file("root")).unwrap().count()), before);
        assert!(!file("root/else/deep").exists());
        unmount("data/sub");
    }

    /// Building a set propagates no mount to the shared mounts of the host.
    fn nothing_propagates() needs [] {
        mkdirs(scratch(), &["s/t", "peer"]);
        tmpfs_on("s");
        mkdirs(scratch(), &["s/t", "s/u"]);
        fmountat::remount(&target("s"), &fmountat::options::Options::parse(["shared"]).unwrap()).unwrap();
        Mounter::detached().apply(CWD, &Plan::new(&[Mount::new("bind", file("s")).option("bind,shared")]).unwrap(), &target("peer")).unwrap();
        let built = build(&as_on_6_12(), &[tmpfs().at("u")], "s").unwrap();
        assert_eq!((mounts_below(file("s")).len(), mounts_below(file("peer")).len()), (1, 1));
        drop(built);
        build(&as_on_6_12(), &[tmpfs(), tmpfs().at("in").option("X-mount.mkdir")], "s/t").unwrap().attach(&target("s/t")).unwrap();
        assert_eq!((mounts_below(file("s")).len(), mounts_below(file("peer")).len()), (3, 3));
        unmount("s");
        unmount("peer");
    }

    /// A tree that open_tree(2) would not copy, or a thread that may not call unshare(2), gets the
    /// set step by step; `--strict` refuses it.
    fn what_can_not_be_copied_goes_step_by_step() needs [] {
        mkdirs(scratch(), &["t"]);
        let mut features = Features::get();
        (features.detached_children, features.private_namespace) = (false, false);
        let inner = |options: &str| vec![tmpfs(), tmpfs().at("in").option("X-mount.mkdir").option(options)];
        let stacked = vec![tmpfs(), tmpfs()];
        for (mounter, mounts) in
            [(as_on_6_12(), inner("unbindable")), (as_on_6_12(), stacked), (Mounter::with(features, None), inner("rw"))]
        {
            let plan = Plan::new(&mounts).unwrap();
            assert_eq!(mounter.need_one_step(&plan).unwrap_err().kind(), ErrorKind::Unsupported);
            assert_eq!(build(&mounter, &mounts, "t").unwrap_err().kind(), ErrorKind::Unsupported);
            let applied = mounter.apply(CWD, &plan, &target("t")).unwrap();
            assert_eq!((applied.strategy, mounts_below(file("t")).len()), (Strategy::StepByStep, 2));
            unmount("t");
        }
        let probed = in_own_namespace(|| {
            fmountat_testing::filter::errno_on(&[libc::SYS_unshare], libc::EPERM as u32);
            Features::probe().private_namespace
        });
        assert_eq!((probed, Features::probe().private_namespace), (false, true));
    }

    /// A file as the root of a set, and a set of one mount, need no namespace.
    fn lone_mounts_need_no_namespace() needs [] {
        write(file("f"), "");
        write(file("data"), "x");
        let plan = Plan::new(&[Mount::new("bind", file("data")).option("bind")]).unwrap();
        let applied = as_on_6_12().apply(CWD, &plan, &target("f")).unwrap();
        assert_eq!((applied.strategy, read(Path::new(&file("f")))), (Strategy::Detached, "x".into()));
        unmount("f");
    }

    /// A set without a root is built in a copy of the target, and nothing unbindable can be
    /// attached to a shared mount. Both are reported before any change.
    fn what_is_unbindable_is_refused_in_words() needs [] {
        mkdirs(scratch(), &["unbindable", "shared"]);
        for (at, propagation) in [("unbindable", MountPropagationFlags::UNBINDABLE), ("shared", MountPropagationFlags::SHARED)] {
            mount("x", file(at), "tmpfs", MountFlags::empty(), None).unwrap();
            mount_change(file(at), propagation).unwrap();
            mkdirs(file(at), &["a"]);
        }
        let before = mount_table();
        for mounter in [Mounter::detached(), Mounter::with(Features::get().at_most(6, 1), None)] {
            let failed = |mounts: &[Mount], at: &str| {
                let (plan, target) = (Plan::new(mounts).unwrap(), Target::open(CWD, file(at)).unwrap());
                let predicted = mounter.explain(CWD, &plan, &target).error().unwrap().to_string();
                let error = mounter.apply(CWD, &plan, &target).unwrap_err();
                assert_eq!(predicted, error.to_string());
                error
            };
            let error = failed(&[tmpfs().at("a"), tmpfs().at("a")], "unbindable");
            assert_eq!(error.kind(), ErrorKind::Unbindable, "{error}");
            let error = failed(&[tmpfs().option("unbindable")], "shared");
            assert!(error.hint().is_some_and(|hint| hint.contains("unbindable")), "{error}");
        }
        assert_eq!(mount_table(), before);
    }
}
