// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sets that are mounted one by one: what others see of each, and what is left when one fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fmountat::{ErrorKind, Features, Mount, Mounter, Plan, Target, Unmount, Way};
use fmountat_testing::{MountLine, filter, mkdirs, mount_table, mounts_below, read, scratch, write};
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

/// By mount(2), and, as on a kernel that can't put a set together, by the new interface.
fn ways() -> [(&'static str, Mounter); 2] {
    let mut by_mount = Features::get();
    by_mount.new_mount_api = false;
    by_mount.mount_setattr = false;
    let mut one_by_one = Features::get().at_most(6, 1);
    one_by_one.private_namespace = false;
    one_by_one.mount_setattr = Features::get().mount_setattr;
    [("mount(2)", Mounter::with(by_mount, None)), ("detached", Mounter::with(one_by_one, None))]
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

fmountat_testing::tests! {
    /// Without `lowerdir+` and where a filter forbids unshare(2): alone, and as the root of a set.
    fn an_overlay_without_a_namespace() needs [Filesystem("overlay")] {
        mkdirs(scratch(), &["1/in", "2", "u", "w", "t"]);
        write(file("2/data"), "of the second");
        let before = mount_table().len();
        filter::errno_on(&[libc::SYS_unshare], libc::EPERM.unsigned_abs());
        let mounter = Mounter::with(Features::probe().at_most(6, 6), None);
        let lone = if Features::probe().mount_setattr { Way::Detached } else { Way::StepByStep };
        let layers = format!("lowerdir={0}/1:{0}/2,upperdir={0}/u,workdir={0}/w", scratch().display());
        let overlay = Mount::new("overlay", "overlay").option(&layers);
        let tmpfs = Mount::new("tmpfs", "tmpfs").at("/in").option("ro");
        for (mounts, expected) in [(vec![overlay.clone()], lone), (vec![overlay, tmpfs], Way::StepByStep)] {
            let plan = Plan::new(&mounts).unwrap();
            let applied = mounter.apply(CWD, &plan, &Target::open(CWD, file("t")).unwrap());
            assert_eq!(applied.unwrap_or_else(|error| panic!("{expected}: {error}")).way, expected);
            assert_eq!(read(file("t/data")), "of the second", "{expected}");
            write(file("t/new"), "");
            Unmount::new().recursive(true).run(file("t")).unwrap();
            assert_eq!(mount_table().len(), before, "{expected}: {:#?}", mount_table());
        }
        assert!(file("u/new").exists());
    }

    /// Also at the peers of its place, and nothing of the source goes.
    fn a_failure_leaves_nothing_at_peers() needs [] {
        furnish();
        for (way, mounter) in ways() {
            let before = mount_table().len();
            let mounts = [bind("source", "/a", "rbind"), bind("missing", "/b", "bind")];
            let plan = Plan::new(&mounts).unwrap();
            assert_eq!(mounter.way(&plan), Way::StepByStep, "{way}");
            let error = mounter.apply(CWD, &plan, &Target::open(CWD, file("root")).unwrap()).unwrap_err();
            assert!(error.to_string().contains("missing"), "{way}: {error}");
            assert_eq!(mount_table().len(), before, "{way}: {:#?}", lines("peer"));
            assert_eq!(read(file("source/in/data")), "the source's own", "{way}");
        }
    }

    /// Whatever propagation the words leave to what is below the top, and wherever it fails: what is mounted below the source stays.
    fn a_failure_takes_nothing_of_the_source() needs [] {
        furnish();
        deepen();
        let before = mount_table().len();
        for (way, mounter) in ways() {
            for words in ["rbind", "rbind,private", "rbind,slave", "rbind,shared", "rbind,rshared", "rbind,rslave"] {
                let plan = Plan::new(&[bind("source", "/a", words), bind("missing", "/b", "bind")]).unwrap();
                mounter.apply(CWD, &plan, &Target::open(CWD, file("own")).unwrap()).unwrap_err();
                assert_eq!(mount_table().len(), before, "{way}, {words}: {:#?}", lines("source"));
                assert_eq!(read(file("source/in/deep/data")), "deep", "{way}, {words}");
            }
        }
    }

    /// The same where no descriptor is left for what has just been mounted.
    fn without_descriptors_nothing_of_the_source_goes() needs [] {
        furnish();
        deepen();
        let before = mount_table().len();
        let limit = getrlimit(Resource::Nofile);
        let plan = Plan::new(&[bind("source", "/a", "rbind"), Mount::new("tmpfs", "").at("/b")]).unwrap();
        let target = Target::open(CWD, file("own")).unwrap();
        for (way, mounter) in ways() {
            for room in 3..200 {
                setrlimit(Resource::Nofile, Rlimit { current: Some(room), maximum: limit.maximum }).unwrap();
                let applied = mounter.apply(CWD, &plan, &target).map(drop);
                setrlimit(Resource::Nofile, limit).unwrap();
                if applied.is_ok() {
                    assert!(room > 5, "{way}");
                    for place in ["own/a", "own/b"] {
                        Unmount::new().recursive(true).run(file(place)).unwrap();
                    }
                }
                assert_eq!(mount_table().len(), before, "{way}, room for {room}: {:#?}", mount_table());
                assert_eq!(read(file("source/in/deep/data")), "deep", "{way}, room for {room}");
                if applied.is_ok() {
                    break;
                }
            }
        }
    }

    /// Two overlays on one upper corrupt each other: also where the question can be asked by mount(2) alone.
    fn an_upper_in_use_is_found_out_by_mount() needs [Filesystem("overlay")] {
        mkdirs(scratch(), &["1", "u", "w", "t", "s"]);
        let layers = format!("lowerdir={0}/1,upperdir={0}/u,workdir={0}/w", scratch().display());
        let plan = Plan::new(&[Mount::new("overlay", "overlay").option(layers)]).unwrap();
        for (way, mounter) in ways() {
            let before = mount_table().len();
            let apply = |at: &str| mounter.apply(CWD, &plan, &Target::open(CWD, file(at)).unwrap()).map(drop);
            apply("t").unwrap_or_else(|error| panic!("{way}: {error}"));
            write(file("t/new"), "");
            let error = apply("s").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UpperInUse, "{way}: {error}");
            Unmount::new().run(file("t")).unwrap();
            apply("s").unwrap();
            Unmount::new().run(file("s")).unwrap();
            assert_eq!(mount_table().len(), before, "{way}: {:#?}", mount_table());
        }
    }

    /// A mount comes with its attributes, at the peers of its place too, and goes from there with it.
    fn peers_see_the_same() needs [] {
        furnish();
        for (way, mounter) in ways() {
            let before = mount_table().len();
            let mounts = [bind("source", "/a", "rbind,rro,rnosuid"), Mount::new("tmpfs", "").at("/b").option("nodev,ro")];
            mounter.apply(CWD, &Plan::new(&mounts).unwrap(), &Target::open(CWD, file("root")).unwrap()).unwrap();
            for at in ["root", "peer"] {
                let seen: Vec<MountLine> = lines(at).into_iter().filter(|line| line.point != file(at)).collect();
                assert_eq!(seen.len(), 3, "{way} {at}: {seen:#?}");
                for line in &seen {
                    assert!(line.flags.split(',').any(|word| word == "ro"), "{way}: {line:?}");
                    assert!(!line.propagation.is_empty(), "{way}, on a shared mount: {line:?}");
                }
                let source = seen.iter().find(|line| line.point.ends_with("b")).unwrap().source.clone();
                assert_eq!(source, "none", "{way}");
                std::fs::write(file(at).join("a/in/new"), "").unwrap_err();
            }
            Unmount::new().recursive(true).run(file("root/a")).unwrap();
            Unmount::new().run(file("root/b")).unwrap();
            assert_eq!(mount_table().len(), before, "{way}: {:#?}", lines("peer"));
            assert_eq!(read(file("source/in/data")), "the source's own", "{way}");
        }
    }

    /// What is unbindable can't be moved onto a shared mount, and is made so in its place.
    fn unbindable_on_a_shared_place() needs [] {
        furnish();
        let (_, by_mount) = &ways()[0];
        let mounts = [bind("source", "/a", "bind,unbindable"), bind("source", "/b", "bind")];
        by_mount.apply(CWD, &Plan::new(&mounts).unwrap(), &Target::open(CWD, file("root")).unwrap()).unwrap();
        let line = lines("root").into_iter().find(|line| line.point == file("root/a")).unwrap();
        assert!(line.propagation.iter().any(|word| word == "unbindable"), "{line:?}");
    }

    /// The stage is gone when the set is there, and when it is not.
    fn no_stage_is_left() needs [] {
        furnish();
        let (_, by_mount) = &ways()[0];
        let target = Target::open(CWD, file("root")).unwrap();
        let stages = || mount_table().iter().filter(|line| line.point.starts_with("/proc")).count();
        let before = stages();
        let apply = |source: &str| {
            let plan = Plan::new(&[Mount::new("tmpfs", "x").at("/a"), bind(source, "/b", "bind")]).unwrap();
            by_mount.apply(CWD, &plan, &target).map(drop)
        };
        apply("source").unwrap();
        assert_eq!((stages(), mounts_below(file("root/b")).len()), (before, 1));
        apply("missing").unwrap_err();
        assert_eq!(stages(), before);
    }
}
