// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Throw-away roots that are mounted in the process's own namespace, as before Linux 6.15: what is there meanwhile and after.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fmountat::{Built, Error, ErrorKind, Features, Mount, Mounter, Plan, Target, Tree};
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

fn build(lower: &str) -> Result<Built, Error> {
    let alone = Mounter::with(Features::get().at_most(6, 1), None).in_own_namespace();
    Ok(alone.build_throwaway(CWD, &[file(lower)], None)?.0)
}

fn who(built: &Built) -> String {
    let file = rustix::fs::openat(built.root(), "who", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty());
    std::io::read_to_string(std::fs::File::from(file.unwrap())).unwrap()
}

/// A place, the store, the root.
const EACH: usize = 3;

fmountat_testing::tests! {
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

    /// Each takes away what is its own, whatever was mounted over it.
    fn two_at_a_time() needs [] {
        layers();
        in_own_namespace(|| {
            let before = mount_table().len();
            let (one, two) = (build("one").unwrap(), build("two").unwrap());
            drop(one);
            assert_eq!((mount_table().len(), who(&two)), (before + EACH + 1, "two".into()), "an empty place stays");
            drop(two);
            assert_eq!(mount_table().len(), before + 1);
            let one = build("one").unwrap();
            mount("mine", "/proc/tty/ldisc", "tmpfs", MountFlags::empty(), None).unwrap();
            drop(one);
            assert!(mount_table().iter().any(|line| line.source == "mine"), "{:?}", mount_table());
            unmount("/proc/tty/ldisc", UnmountFlags::empty()).unwrap();
        });
    }

    /// What is mounted there can go elsewhere, by either way.
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
            assert!(error.to_string().contains("shared with others"), "{error}");
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
