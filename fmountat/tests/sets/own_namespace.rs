// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests ephemeral roots that are mounted in the process's own namespace, as before Linux 6.15: the
//! mounts meanwhile and afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fmountat::kernel::Features;
use fmountat::overlay::Overlay;
use fmountat::{DetachedSet, Error, ErrorKind, Mount, MountAttr, Mounter, Plan, Target, Tree};
use fmountat_testing::{in_own_namespace, mkdirs, mount_table, own_descriptors, read, scratch, write};
use rustix::fs::{AtFlags, CWD};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::PathBuf;

fn file(name: &str) -> PathBuf {
    scratch().join(name)
}

fn layers() {
    write(file("one/who"), "one");
    write(file("two/who"), "two");
    mkdirs(scratch(), &["t"]);
}

fn build(lower: &str) -> Result<DetachedSet, Error> {
    let alone = Mounter::with(Features::get().at_most(6, 1), None).in_own_namespace();
    let uppers = alone.ephemeral_uppers()?;
    let overlay = uppers.give(CWD, Overlay::new().lower(file(lower)))?;
    alone.begin(alone.overlay_tree(CWD, &overlay, &MountAttr::default())?)
}

fn who(built: &DetachedSet) -> String {
    let file = rustix::fs::openat(built.root(), "who", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty());
    std::io::read_to_string(std::fs::File::from(file.unwrap())).unwrap()
}

/// A place, the root.
const EACH: usize = 2;

fmountat_testing::cases! {
    fn a_failure_and_a_drop_leave_nothing() needs [] {
        layers();
        in_own_namespace(|| {
            let before = mount_table().len();
            build("none").unwrap_err();
            assert_eq!(mount_table().len(), before, "after a failure");
            let built = build("one").unwrap();
            assert_eq!((mount_table().len(), who(&built)), (before + EACH, "one".into()));
            drop(built);
            assert_eq!(mount_table().len(), before, "dropped");
        });
    }

    /// Uppers and the roots that have them share one place, whichever is dropped first.
    fn uppers_and_roots_share_a_place() needs [] {
        layers();
        in_own_namespace(|| {
            let before = mount_table().len();
            let alone = Mounter::with(Features::get().at_most(6, 1), None).in_own_namespace();
            for root_first in [true, false] {
                let uppers = alone.ephemeral_uppers().unwrap();
                let overlay = uppers.give(CWD, Overlay::new().lower(file("one"))).unwrap();
                let root = alone.begin(alone.overlay_tree(CWD, &overlay, &MountAttr::default()).unwrap()).unwrap();
                assert_eq!((mount_table().len(), who(&root)), (before + EACH + 1, "one".into()));
                if root_first { drop(root); drop(uppers) } else { drop(uppers); assert_eq!(who(&root), "one"); drop(root) }
                assert_eq!(mount_table().len(), before, "root first: {root_first}");
            }
        });
    }

    /// A plan's own root gets an upper too, unless it is `ro`. Mounts in it are hidden together
    /// with it.
    fn a_plan_with_a_root_of_its_own() needs [] {
        layers();
        in_own_namespace(|| {
            let alone = Mounter::with(Features::get().at_most(6, 1), None).in_own_namespace();
            let uppers = alone.ephemeral_uppers().unwrap();
            let lower = format!("lowerdir={}:{}", file("one").display(), file("two").display());
            let inner = Mount::new("tmpfs", "tmpfs").at("/in").option("X-mount.mkdir");
            let root = Mount::new("overlay", "overlay").option(lower);
            let before = mount_table().len();
            let mut plan = Plan::new(&[root.clone(), inner.clone()]).unwrap();
            plan.give_root_upper(CWD, &uppers).unwrap();
            let built = alone.build(CWD, &plan, None).unwrap();
            assert_eq!((who(&built), mount_table().len()), ("one".into(), before + 2));
            drop(built);
            assert_eq!(mount_table().len(), before);
            let mut plan = Plan::new(&[root.option("ro"), inner.clone()]).unwrap();
            plan.give_root_upper(CWD, &uppers).unwrap();
            assert_eq!(alone.build(CWD, &plan, None).unwrap_err().errno(), libc::EROFS, "no upper, so no directory is made");
            let rootless = alone.build(CWD, &Plan::new(&[inner]).unwrap(), None).unwrap_err();
            assert_eq!(rootless.kind(), ErrorKind::Spec, "{rootless}");
            assert_eq!(mount_table().len(), before);
        });
    }

    /// Directories that were made for mounts are taken away after the mounts are.
    fn what_was_made_goes_after_the_mounts() needs [] {
        layers();
        in_own_namespace(|| {
            let alone = Mounter::with(Features::get().at_most(6, 1), None).in_own_namespace();
            let root = Mount::new("bind", file("one")).option("bind");
            let inner = Mount::new("tmpfs", "tmpfs").at("/made/for/it").option("X-mount.mkdir");
            let built = alone.build(CWD, &Plan::new(&[root, inner]).unwrap(), None).unwrap();
            assert!(file("one/made/for/it").exists());
            drop(built);
            assert!(!file("one/made").exists());
        });
    }

    /// Each open fails in turn.
    fn few_descriptors() needs [] {
        layers();
        in_own_namespace(|| {
            let (before, limit) = (mount_table().len(), getrlimit(Resource::Nofile));
            let mut failed = 0;
            for room in 3.. {
                setrlimit(Resource::Nofile, Rlimit { current: Some(room), maximum: limit.maximum }).unwrap();
                let built = build("one");
                setrlimit(Resource::Nofile, limit).unwrap();
                let Err(error) = built else { break };
                assert!(room < 100, "{error}");
                assert_eq!(mount_table().len(), before, "room for {room}: {error}");
                assert_eq!(error.errno(), libc::EMFILE, "room for {room}: {error}");
                failed += 1;
            }
            assert!(failed > 5, "{failed}");
            assert_eq!(mount_table().len(), before);
        });
    }

    /// Each of two sets unmounts only its own mounts, even if another mount covers them.
    fn two_at_a_time() needs [] {
        layers();
        in_own_namespace(|| {
            let before = mount_table().len();
            let (one, two) = (build("one").unwrap(), build("two").unwrap());
            drop(one);
            assert_eq!((mount_table().len(), who(&two)), (before + EACH + 1, "two".into()), "an empty mount point is kept");
            drop(two);
            assert_eq!(mount_table().len(), before + 1);
            let one = build("one").unwrap();
            mount("mine", "/proc/tty/ldisc", "tmpfs", MountFlags::empty(), None).unwrap();
            drop(one);
            assert!(mount_table().iter().any(|line| line.source == "mine"), "{:?}", mount_table());
            unmount("/proc/tty/ldisc", UnmountFlags::empty()).unwrap();
        });
    }

    /// A mount made there can be moved elsewhere, with either strategy.
    fn it_is_attached_elsewhere() needs [] {
        layers();
        in_own_namespace(|| {
            let before = mount_table().len();
            let target = || Target::open(CWD, file("t")).unwrap();
            build("one").unwrap().attach(&target()).unwrap();
            assert_eq!((read(file("t/who")), mount_table().len()), ("one".into(), before + 1));
            unmount(file("t"), UnmountFlags::empty()).unwrap();
            let tree: Tree = build("two").unwrap().into();
            tree.attach(&target()).unwrap();
            assert_eq!(read(file("t/who")), "two");
        });
    }

    fn a_shared_namespace_is_refused() needs [] {
        layers();
        in_own_namespace(|| {
            let before = mount_table().len();
            mount_change("/", MountPropagationFlags::SHARED | MountPropagationFlags::REC).unwrap();
            let error = build("one").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(error.to_string().contains("has shared propagation"), "{error}");
            assert_eq!(mount_table().len(), before);
        });
    }

    /// A proc that shows processes only has none of the directories that others have.
    fn a_proc_of_processes() needs [Root] {
        layers();
        in_own_namespace(|| {
            mount("proc", "/proc", "proc", MountFlags::empty(), Some(c"subset=pid")).unwrap();
            let before = mount_table().len();
            let built = build("one").unwrap();
            let root = rustix::fs::statat(CWD, "/..", AtFlags::empty()).unwrap();
            let slash = rustix::fs::statat(CWD, "/", AtFlags::empty()).unwrap();
            assert_eq!((root.st_dev, root.st_ino), (slash.st_dev, slash.st_ino), "nothing is over the root");
            drop(built);
            assert_eq!(mount_table().len(), before);
        });
    }

    /// A thread whose table of descriptors is its own: what /proc/self shows is another's.
    fn a_mapping_from_a_thread_of_its_own() needs [Root] {
        layers();
        in_own_namespace(|| {
            own_descriptors();
            let bind = Mount::new("bind", file("one")).option("bind,uidmap=0:5000:1,gidmap=0:6000:1");
            Mounter::detached().apply(CWD, &Plan::new(&[bind]).unwrap(), &Target::open(CWD, file("t")).unwrap()).unwrap();
            let stat = rustix::fs::statat(CWD, file("t/who"), AtFlags::empty()).unwrap();
            assert_eq!((stat.st_uid, stat.st_gid), (5000, 6000));
        });
    }
}
