// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests id-mapped mounts: the owners seen, that nothing is attached meanwhile, and a cost
//! independent of the size of the process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cost;

use crate::common::{self, apply, bind, file, tmpfs};
use fmountat::idmap::IdMapping;
use fmountat::{ErrorKind, Mount, Mounter, Plan, Target};
use fmountat_testing::{filter, mkdirs, mount_flags, mounts_below, read, scratch, write};
use rustix::fs::CWD;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};

fn owner(path: impl AsRef<Path>) -> (u32, u32) {
    let meta = std::fs::symlink_metadata(path).unwrap();
    (meta.uid(), meta.gid())
}

/// A file of these owners.
fn owned(path: &str, uid: u32, gid: u32) {
    write(file(path), path);
    chown(file(path), Some(uid), Some(gid)).unwrap();
}

/// Three ranges, as containerd writes them: 0.. to 100000.., 1000.. to 300000.., 5000.. to
/// themselves.
const THREE: &str = "uidmap=0:100000:1000,1000:300000:1000,5000:5000:10";
const THREE_GROUPS: &str = "gidmap=0:100000:1000,1000:300000:1000,5000:5000:10";
const ON_DISK: [u32; 4] = [0, 999, 1000, 5009];
const SEEN: [u32; 4] = [100_000, 100_999, 300_000, 5009];

/// Makes `count` layers, topmost first. Each has its own file for each range, and one file that
/// hides those of the lower layers.
fn layers(count: usize) -> String {
    let mut paths = Vec::new();
    for n in (0..count).rev() {
        for (id, name) in ON_DISK.iter().zip(["a", "b", "c", "d"]) {
            owned(&format!("layers/{n}/fs/{name}{n}"), *id, *id);
        }
        owned(&format!("layers/{n}/fs/top"), 1000, 0);
        std::fs::write(file(&format!("layers/{n}/fs/top")), n.to_string()).unwrap();
        paths.push(file(&format!("layers/{n}/fs")).display().to_string());
    }
    format!("lowerdir={}", paths.join(":"))
}

fn overlay(lowerdir: &str) -> Mount {
    let upper = format!("upperdir={},workdir={}", file("up/fs").display(), file("up/work").display());
    Mount::new("overlay", "overlay").option(lowerdir).option(upper).option(THREE).option(THREE_GROUPS)
}

/// Returns the largest number of lines in the mount table while `work` ran, and the number of
/// samples.
fn most_mounts(work: impl FnOnce()) -> (usize, usize) {
    let (ready, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    let count = || std::fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count();
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let (mut most, mut looks) = (count(), 0);
            ready.store(true, Ordering::SeqCst);
            while !stop.load(Ordering::SeqCst) {
                most = most.max(count());
                looks += 1;
            }
            // Counts once more after the last change.
            (most.max(count()), looks)
        });
        while !ready.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        stop.store(true, Ordering::SeqCst);
        let seen = watcher.join().unwrap();
        done.map(|()| seen).unwrap()
    })
}

/// Starts a process in its own user namespace, which maps ids from 0 to ids from 70000.
fn process_with_namespace() -> Child {
    let child = Command::new("unshare").args(["--user", "sleep", "100"]).spawn().unwrap();
    let own = std::fs::read_link("/proc/self/ns/user").unwrap();
    let path = |name: &str| format!("/proc/{}/{name}", child.id());
    while std::fs::read_link(path("ns/user")).is_ok_and(|ns| ns == own) {
        std::thread::yield_now();
    }
    for map in ["uid_map", "gid_map"] {
        std::fs::write(path(map), "0 70000 10").unwrap();
    }
    child
}

fmountat_testing::cases! {
    /// 100 layers, 3 ranges: correct owners in lower, upper and copied-up files; one new line in
    /// the mount table at any time; unchanged layers on disk. A second run gives the same, since
    /// the inputs are unchanged.
    fn overlay_of_100_layers_and_3_ranges() needs [Kernel(5, 19), Root] {
        mkdirs(scratch(), &["t", "up/fs", "up/work"]);
        let mount = overlay(&layers(100));
        let (before, _) = most_mounts(|| ());
        let mut looks = 0;
        for round in 0..50 {
            let given = mount.clone();
            let (most, seen) = most_mounts(|| apply(std::slice::from_ref(&mount), "t").unwrap());
            assert_eq!((most, &given), (before + 1, &mount), "round {round}");
            looks += seen;
            // Often enough that a mount which is there for a part of the call would be seen.
            if round > 1 {
                common::unmount_all("t");
                if looks > 50 { break } else { continue }
            }
            for n in 0..100 {
                for (seen, name) in SEEN.iter().zip(["a", "b", "c", "d"]) {
                    assert_eq!(owner(file(&format!("t/{name}{n}"))), (*seen, *seen), "{name}{n}");
                }
            }
            assert_eq!((read(file("t/top")), owner(file("t/top"))), ("99".into(), (300_000, 100_000)));
            // Copied up: the owner that was seen, on the disk of the upper too.
            for n in (7..100).step_by(10) {
                for (seen, name) in SEEN.iter().zip(["a", "b", "c", "d"]) {
                    let name = format!("{name}{n}");
                    std::fs::write(file(&format!("t/{name}")), "changed").unwrap();
                    let owners = [format!("t/{name}"), format!("up/fs/{name}")].map(|path| owner(file(&path)));
                    assert_eq!(owners, [(*seen, *seen); 2], "{name}");
                }
            }
            chown(file("t/a8"), Some(300_005), None).unwrap();
            assert_eq!(owner(file("up/fs/a8")), (300_005, 100_000));
            // Made new: by us, who are not mapped.
            std::fs::write(file("t/new"), "").unwrap();
            assert_eq!((owner(file("t/new")), owner(file("up/fs/new"))), ((0, 0), (0, 0)));
            assert_eq!((owner(file("layers/7/fs/c7")), read(file("layers/7/fs/c7"))), ((1000, 1000), "layers/7/fs/c7".into()));
            common::unmount_all("t");
            // The next round finds nothing of this one.
            for entry in std::fs::read_dir(file("up/fs")).unwrap() {
                std::fs::remove_file(entry.unwrap().path()).unwrap();
            }
        }
        println!("counted: {looks} looks at the mount table while an overlay was mounted");
        assert!(looks > 50, "{looks}");
    }

    /// A handle makes the user namespace of a mapping once and keeps it, even when no more can be
    /// made.
    fn a_mapping_is_made_once() needs [Root] {
        mkdirs(scratch(), &["t"]);
        owned("s/f", 1, 2);
        let mounter = Mounter::detached();
        let map = |uids: &str| {
            let plan = Plan::new(&[bind("s", &format!("bind,uidmap={uids},gidmap={uids}"))]).unwrap();
            mounter.apply(CWD, &plan, &Target::open(CWD, file("t")).unwrap()).map(|_| owner(file("t/f")))
        };
        assert_eq!(map("0:500:10").unwrap(), (501, 502));
        filter::errno_on(&[libc::SYS_clone, libc::SYS_clone3], libc::EPERM as u32);
        assert_eq!(map("0:500:10").unwrap(), (501, 502));
        assert_eq!(map("0:600:10").unwrap_err().step(), "create user namespace");
    }

    /// Layers that no single clone covers: behind a symbolic link, on a mount of their own, outside
    /// the common directory.
    fn overlay_layers_that_lie_apart() needs [Kernel(6, 3), Root] {
        mkdirs(scratch(), &["t", "up/fs", "up/work", "m", "layers"]);
        owned("layers/1/one", 0, 0);
        owned("elsewhere/two", 1000, 1000);
        std::os::unix::fs::symlink("../elsewhere", file("layers/2")).unwrap();
        mkdirs(scratch(), &["layers/3"]);
        apply(&[tmpfs()], "layers/3").unwrap();
        owned("layers/3/three", 5000, 0);
        let path = |name: &str| file(name).display().to_string();
        let lowerdir = format!("lowerdir={}:{}:{}", path("layers/1"), path("layers/2"), path("layers/3"));
        apply(&[overlay(&lowerdir)], "t").unwrap();
        assert_eq!(owner(file("t/one")), (100_000, 100_000));
        assert_eq!(owner(file("t/two")), (300_000, 300_000));
        assert_eq!(owner(file("t/three")), (5000, 100_000));
    }

    /// Binds: with ro, with one of the two maps, in util-linux's and OCI's notations, whole trees
    /// and top mounts.
    fn binds_and_new_file_systems() needs [Kernel(6, 3), Root] {
        mkdirs(scratch(), &["t", "s/sub"]);
        apply(&[tmpfs()], "s/sub").unwrap();
        owned("s/f", 1, 2);
        owned("s/sub/f", 1, 2);
        let range = |inner, outer, count| IdMapping { inner, outer, count };
        let mut oci = bind("s", "rbind,idmap");
        oci.uid_mappings = vec![range(0, 500, 10)];
        oci.gid_mappings = vec![range(0, 600, 10)];
        let mut oci_whole = oci.clone();
        oci_whole.options = vec!["rbind,ridmap".into()];
        for (mount, top, below) in [
            (bind("s", "bind,ro,uidmap=0:500:10,gidmap=0:600:10"), (501, 602), None),
            (bind("s", "bind,uidmap=0:500:10"), (501, 2), None),
            (bind("s", "bind,gidmap=0:600:10"), (1, 602), None),
            (bind("s", "rbind,X-mount.idmap=u:0:500:10 g:0:600:10"), (501, 602), Some((501, 602))),
            (oci.clone(), (501, 602), Some((1, 2))),
            (oci_whole, (501, 602), Some((501, 602))),
            (bind("s/f", "bind,X-mount.idmap=b:0:700:3"), (701, 702), None),
        ] {
            let is_file = mount.source == file("s/f");
            let at = if is_file { std::fs::write(file("t2"), "").unwrap(); "t2" } else { "t" };
            apply(std::slice::from_ref(&mount), at).unwrap();
            let f = if is_file { file("t2") } else { file("t/f") };
            assert_eq!(owner(&f), top, "{mount:?}");
            assert_eq!(read(&f), "s/f");
            if let Some(below) = below {
                assert_eq!(owner(file("t/sub/f")), below, "{mount:?}");
            }
            let is_ro = mount.options.iter().any(|o| o.to_str().unwrap().contains("ro,"));
            assert_eq!(mount_flags(file(at)).starts_with("ro"), is_ro, "{mount:?}");
            common::unmount_all(at);
        }
        apply(&[tmpfs().option("uidmap=0:500:10,gidmap=0:500:10,mode=0700")], "t").unwrap();
        assert_eq!(owner(file("t")), (500, 500));
    }

    /// The namespace of a running process; another file in its place is refused.
    fn an_open_namespace() needs [Root, Tool("unshare")] {
        mkdirs(scratch(), &["t"]);
        owned("s/f", 3, 4);
        let mut process = process_with_namespace();
        let map = |path: &str| bind("s", "bind").option(format!("X-mount.idmap={path}"));
        let done = apply(&[map(&format!("/proc/{}/ns/user", process.id()))], "t");
        let seen = done.map(|()| owner(file("t/f")));
        common::unmount_all("t");
        process.kill().unwrap();
        process.wait().unwrap();
        assert_eq!(seen.unwrap(), (70_003, 70_004));
        for (path, kind, words) in [
            ("/proc/self/ns/mnt", ErrorKind::OptionValue, "is not a user namespace"),
            ("/proc/self/ns/user", ErrorKind::Permission, "the initial user namespace"),
            ("/proc/self/nothing", ErrorKind::NotFound, "no such file"),
        ] {
            let error = apply(&[map(path)], "t").unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.reason().contains(words), "{error}");
        }
        assert_eq!(mounts_below(scratch()), Vec::<String>::new());
    }

    /// A mount that can't be mapped is refused before anything is published.
    fn what_cannot_be_mapped() needs [Root] {
        mkdirs(scratch(), &["t", "o", "a", "b"]);
        let lower = format!("lowerdir={}:{}", file("a").display(), file("b").display());
        apply(&[Mount::new("overlay", "overlay").option(&lower)], "o").unwrap();
        let map = "uidmap=0:500:10,gidmap=0:500:10";
        for mount in [bind("o", "bind").option(map), Mount::new("proc", "proc").option(map), Mount::new("ramfs", "x").option(map)] {
            let error = apply(std::slice::from_ref(&mount), "t").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{mount:?}: {error}");
            assert!(error.reason().contains("can't be id-mapped"), "{error}");
            assert_eq!(mounts_below(file("t")), Vec::<String>::new());
        }
        // In a tree, the error names the mount that is at fault.
        mkdirs(scratch(), &["tree"]);
        apply(&[tmpfs()], "tree").unwrap();
        mkdirs(file("tree"), &["sub", "proc"]);
        apply(&[tmpfs()], "tree/sub").unwrap();
        apply(&[Mount::new("proc", "proc")], "tree/proc").unwrap();
        let error = apply(&[bind("tree", "rbind").option(map)], "t").unwrap_err();
        assert_eq!(error.argument(), Some(file("tree/proc").as_os_str()), "{error}");
        assert_eq!(error.reason(), "can't be id-mapped: its file system is proc");
        let nested = format!("lowerdir={}:{}", file("o").display(), file("a").display());
        let error = apply(&[Mount::new("overlay", "x").option(nested).option(map)], "t").unwrap_err();
        assert_eq!((error.kind(), error.step().as_str()), (ErrorKind::Unsupported, "id-map mount of layer 1"), "{error}");
    }

    /// Without open_tree_attr(2), as in Docker's default sandbox, and without the ioctl that opens
    /// a namespace.
    fn older_strategies() needs [Root] {
        const PIDFD_GET_USER_NAMESPACE: u64 = 0xFF09;
        const SYS_OPEN_TREE_ATTR: libc::c_long = 467;
        mkdirs(scratch(), &["t"]);
        owned("s/f", 1, 2);
        filter::errno_when(libc::SYS_ioctl, 1, PIDFD_GET_USER_NAMESPACE, libc::ENOTTY as u32);
        filter::errno_on(&[SYS_OPEN_TREE_ATTR], libc::EPERM as u32);
        apply(&[bind("s", "bind,ro,uidmap=0:500:10,gidmap=0:600:10")], "t").unwrap();
        assert_eq!(owner(file("t/f")), (501, 602));
        filter::errno_on(&[libc::SYS_mount_setattr], libc::ENOSYS as u32);
        common::unmount_all("t");
        let error = apply(&[bind("s", "bind,uidmap=0:500:10")], "t").unwrap_err();
        assert_eq!((error.kind(), error.step().as_str()), (ErrorKind::Unsupported, "id-map mount"), "{error}");
        filter::errno_on(&[libc::SYS_clone], libc::EPERM as u32);
        let error = apply(&[bind("s", "bind,uidmap=0:501:10")], "t").unwrap_err();
        assert_eq!((error.kind(), error.step().as_str()), (ErrorKind::Permission, "create user namespace"), "{error}");
    }

    /// Without privilege one's own file systems can be mapped, within the ids that one has.
    fn in_a_user_namespace() needs [User, Kernel(6, 3)] {
        mkdirs(scratch(), &["t"]);
        apply(&[tmpfs().option("uidmap=0:0:1")], "t").unwrap();
        common::unmount_all("t");
        let error = apply(&[tmpfs().option("uidmap=0:12345:1")], "t").unwrap_err();
        assert_eq!((error.kind(), error.step().as_str()), (ErrorKind::Permission, "id-map mount"), "{error}");
    }

    /// The namespace costs the same in a large process: it shares the memory.
    fn cost_does_not_grow_with_the_process() needs [Kernel(5, 19), SteadyTime, Root] {
        mkdirs(scratch(), &["t", "up/fs", "up/work"]);
        cost::compare(&overlay(&layers(20)));
    }
}
