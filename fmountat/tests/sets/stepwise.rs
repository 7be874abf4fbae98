// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests sets that are mounted step by step: the view of other processes, and the roll-back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fmountat::kernel::Features;
use fmountat::strategy::Strategy;
use fmountat::{ErrorKind, Mount, Mounter, Plan, Target, Unmount};
use fmountat_testing::{MountLine, filter, mkdirs, mount_table, read, scratch, write};
use rustix::fs::CWD;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::PathBuf;

fn file(name: &str) -> PathBuf {
    scratch().join(name)
}

fn bind(source: &str, target: &str, options: &str) -> Mount {
    Mount::new("bind", file(source)).at(target).option(options)
}

/// Emulates a kernel before 6.15 with a filter that forbids unshare(2): a set cannot be assembled
/// before it is visible.
fn mounter() -> Mounter {
    let mut features = Features::get().at_most(6, 1);
    features.private_namespace = false;
    Mounter::with(features, None)
}

/// A shared directory `root` with a peer, and a source with a mount in it, which is shared too.
fn furnish() {
    mkdirs(scratch(), &["root", "peer", "source"]);
    for (name, inside) in [("root", "a"), ("source", "in")] {
        mount(name, file(name), "tmpfs", MountFlags::empty(), None).unwrap();
        mount_change(file(name), MountPropagationFlags::SHARED).unwrap();
        mkdirs(file(name), &[inside, "b"]);
    }
    mount_bind(file("root"), file("peer")).unwrap();
    mount("in", file("source/in"), "tmpfs", MountFlags::empty(), None).unwrap();
    write(file("source/in/data"), "the source's own");
}

/// A second level below the source, and a place that has no peers.
fn deepen() {
    mkdirs(file("source/in"), &["deep"]);
    mount("deep", file("source/in/deep"), "tmpfs", MountFlags::empty(), None).unwrap();
    write(file("source/in/deep/data"), "deep");
    mkdirs(scratch(), &["own"]);
    mount("own", file("own"), "tmpfs", MountFlags::empty(), None).unwrap();
    mount_change(file("own"), MountPropagationFlags::PRIVATE).unwrap();
    mkdirs(file("own"), &["a", "b"]);
}

fn lines(at: &str) -> Vec<MountLine> {
    mount_table().into_iter().filter(|line| line.point.starts_with(file(at))).collect()
}

fmountat_testing::cases! {
    /// Before 6.7 an overlay is made in a private mount namespace. If none can be made, it is
    /// refused, alone and in a set.
    fn an_overlay_without_a_namespace() needs [Filesystem("overlay")] {
        mkdirs(scratch(), &["1/in", "2", "u", "w", "t"]);
        let before = mount_table().len();
        filter::errno_on(&[libc::SYS_unshare], libc::EPERM.unsigned_abs());
        let mounter = Mounter::with(Features::probe().at_most(6, 6), None);
        let layers = format!("lowerdir={0}/1:{0}/2,upperdir={0}/u,workdir={0}/w", scratch().display());
        let overlay = Mount::new("overlay", "overlay").option(&layers);
        let target = Target::open(CWD, file("t")).unwrap();
        for mounts in [vec![overlay.clone()], vec![overlay.clone(), Mount::new("tmpfs", "tmpfs").at("/in").option("ro")]] {
            let plan = Plan::new(&mounts).unwrap();
            let error = mounter.apply(CWD, &plan, &target).map(drop).unwrap_err();
            assert!(error.kind() == ErrorKind::Unsupported && error.hint().is_some_and(|hint| hint.contains("unshare")), "{error}");
            assert_eq!(mounter.explain(CWD, &plan, &target).error().unwrap().to_string(), error.to_string());
            assert_eq!(mount_table().len(), before, "{:#?}", mount_table());
        }
    }

    /// A failure leaves nothing at the peers of the target and unmounts nothing of the source.
    fn a_failure_leaves_nothing_at_peers() needs [] {
        furnish();
        let mounter = mounter();
        let before = mount_table().len();
        let mounts = [bind("source", "/a", "rbind"), bind("missing", "/b", "bind")];
        let plan = Plan::new(&mounts).unwrap();
        assert_eq!(mounter.strategy(&plan), Strategy::StepByStep);
        let error = mounter.apply(CWD, &plan, &Target::open(CWD, file("root")).unwrap()).unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
        assert_eq!(mount_table().len(), before, "{:#?}", lines("peer"));
        assert_eq!(read(file("source/in/data")), "the source's own");
    }

    /// Whatever the propagation of the mounts below the top, and wherever the failure, the mounts
    /// below the source are unchanged.
    fn a_failure_takes_nothing_of_the_source() needs [] {
        furnish();
        deepen();
        let before = mount_table().len();
        let mounter = mounter();
        for words in ["rbind", "rbind,private", "rbind,slave", "rbind,shared", "rbind,rshared", "rbind,rslave"] {
            let plan = Plan::new(&[bind("source", "/a", words), bind("missing", "/b", "bind")]).unwrap();
            mounter.apply(CWD, &plan, &Target::open(CWD, file("own")).unwrap()).unwrap_err();
            assert_eq!(mount_table().len(), before, "{words}: {:#?}", lines("source"));
            assert_eq!(read(file("source/in/deep/data")), "deep", "{words}");
        }
    }

    /// The roll-back also works without a free descriptor for the new mount.
    fn without_descriptors_nothing_of_the_source_goes() needs [] {
        furnish();
        deepen();
        let before = mount_table().len();
        let limit = getrlimit(Resource::Nofile);
        let plan = Plan::new(&[bind("source", "/a", "rbind"), Mount::new("tmpfs", "").at("/b")]).unwrap();
        let target = Target::open(CWD, file("own")).unwrap();
        let mounter = mounter();
        for room in 3..200 {
            setrlimit(Resource::Nofile, Rlimit { current: Some(room), maximum: limit.maximum }).unwrap();
            let applied = mounter.apply(CWD, &plan, &target).map(drop);
            setrlimit(Resource::Nofile, limit).unwrap();
            if applied.is_ok() {
                assert!(room > 5);
                for place in ["own/a", "own/b"] {
                    Unmount::new().recursive(true).run(file(place)).unwrap();
                }
            }
            assert_eq!(mount_table().len(), before, "room for {room}: {:#?}", mount_table());
            assert_eq!(read(file("source/in/deep/data")), "deep", "room for {room}");
            if applied.is_ok() {
                break;
            }
        }
    }

    /// A mount appears with its attributes, also at the peers of its target, and disappears there
    /// with it.
    fn peers_see_the_same() needs [] {
        furnish();
        let mounter = mounter();
        let before = mount_table().len();
        let mounts = [bind("source", "/a", "rbind,rro,rnosuid"), Mount::new("tmpfs", "").at("/b").option("nodev,ro")];
        mounter.apply(CWD, &Plan::new(&mounts).unwrap(), &Target::open(CWD, file("root")).unwrap()).unwrap();
        for at in ["root", "peer"] {
            let seen: Vec<MountLine> = lines(at).into_iter().filter(|line| line.point != file(at)).collect();
            assert_eq!(seen.len(), 3, "{at}: {seen:#?}");
            for line in &seen {
                assert!(line.flags.split(',').any(|word| word == "ro"), "{line:?}");
                assert!(!line.propagation.is_empty(), "on a shared mount: {line:?}");
            }
            let source = seen.iter().find(|line| line.point.ends_with("b")).unwrap().source.clone();
            assert_eq!(source, "none");
            std::fs::write(file(at).join("a/in/new"), "").unwrap_err();
        }
        Unmount::new().recursive(true).run(file("root/a")).unwrap();
        Unmount::new().run(file("root/b")).unwrap();
        assert_eq!(mount_table().len(), before, "{:#?}", lines("peer"));
        assert_eq!(read(file("source/in/data")), "the source's own");
    }
}
