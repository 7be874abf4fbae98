// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Binds from a mount that has many child mounts: made in the private mount namespace, with the
//! same result as from the mount itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::{self, bind, file, tmpfs, unmount_all};
use fmountat::options::Options;
use fmountat::{ErrorKind, Mount, Mounter, Plan, Target, remount};
use fmountat_testing::{events_of, mkdirs, mount_flags, mount_table, mounts_below, read, scratch, write};
use rustix::fs::CWD;
use std::os::unix::fs::symlink;
use std::path::Path;

fn apply(mounter: &Mounter, mounts: &[Mount], at: &str) -> Result<(), fmountat::Error> {
    mounter.apply(CWD, &Plan::new(mounts)?, &Target::open(CWD, file(at))?).map(drop)
}

/// The mount in a set that has another root. A root is never made in the private namespace.
fn in_set(mount: Mount) -> [Mount; 2] {
    [tmpfs(), mount.at("in").option("X-mount.mkdir")]
}

fn change(path: &str, words: &str) {
    remount(&Target::open(CWD, file(path)).unwrap(), &Options::parse([words]).unwrap()).unwrap();
}

/// Mounts a tmpfs at `m` with so many mounts in it that binds are made in the private namespace,
/// and sources to bind. Returns a handle that has the namespace.
fn many_child_mounts() -> Mounter {
    mkdirs(scratch(), &["m", "t"]);
    common::apply(&[tmpfs()], "m").unwrap();
    let mut places = vec![tmpfs()];
    places.extend((0..1100).map(|n| tmpfs().at(format!("d{n}")).option("X-mount.mkdir")));
    mkdirs(scratch(), &["m/more", "m/data/sub"]);
    common::apply(&places, "m/more").unwrap();
    write(file("m/data/who"), "data");
    write(file("m/file"), "file");
    symlink("data", file("m/link")).unwrap();
    let mounter = Mounter::detached();
    let ((), events) = events_of(&["strategy operation=\"bind\""], || {
        for _ in 0..60 {
            apply(&mounter, &in_set(bind("m/data", "bind")), "t").unwrap();
            unmount_all("t");
        }
    });
    assert!(!events.is_empty(), "the namespace is used once it is worth its cost");
    mounter
}

/// Returns the table's row of the mount on `t`, without ids.
fn shown() -> (String, String, String, usize) {
    let line = mount_table().into_iter().find(|line| line.point == file("t/in")).unwrap();
    (line.root, line.flags, line.fstype, line.propagation.len())
}

fmountat_testing::cases! {
    /// Directories, files and links, with the file system's own path as their root, and without the
    /// child mounts.
    fn a_bind_in_the_namespace_is_as_any_other() needs [] {
        let mounter = many_child_mounts();
        for source in ["m/data", "m/link", "m"] {
            apply(&mounter, &in_set(bind(source, "bind,nosuid")), "t").unwrap();
            let from_view = shown();
            unmount_all("t");
            // The handle of this one has no namespace.
            apply(&Mounter::detached(), &in_set(bind(source, "bind,nosuid,private")), "t").unwrap();
            assert_eq!(shown(), from_view);
            assert_eq!(mounts_below(file("t")).len(), 2, "{source}");
            unmount_all("t");
        }
        apply(&mounter, &in_set(bind("m/file", "bind,ro")), "t").unwrap();
        assert_eq!(read(file("t/in")), "file");
        assert!(std::fs::write(file("t/in"), "x").is_err());
        unmount_all("t");
        let error = apply(&mounter, &in_set(bind("m/nowhere", "bind")), "t").unwrap_err();
        assert_eq!((error.kind(), error.argument()), (ErrorKind::NotFound, Some(file("m/nowhere").as_os_str())));
        unmount_all("m");
    }

    /// A bind as the root of a set, on which others are mounted.
    fn a_bind_that_others_are_mounted_in() needs [Kernel(6, 15)] {
        let mounter = many_child_mounts();
        let mounts = [bind("m/data", "bind"), tmpfs().at("sub"), bind("m/data", "bind").at("sub/in").option("X-mount.mkdir")];
        apply(&mounter, &mounts, "t").unwrap();
        let texts = (read(file("t/who")), read(file("t/sub/in/who")));
        assert_eq!((texts, mounts_below(file("t")).len()), (("data".into(), "data".into()), 3));
        unmount_all("t");
        let set = mounter.build(CWD, &Plan::new(&mounts).unwrap(), None).unwrap();
        drop(set.into_namespace().unwrap());
        unmount_all("m");
    }

    /// A bind gets the present attributes of its source, not those from the time of the view.
    fn attributes_are_those_of_now() needs [] {
        let mounter = many_child_mounts();
        let bound = |words: &str| {
            apply(&mounter, &in_set(bind("m/data", words)), "t").map(|()| {
                let seen = (mount_flags(file("t/in")), shown().3);
                unmount_all("t");
                seen
            })
        };
        assert_eq!(bound("bind").unwrap(), ("rw,relatime".into(), 0));
        change("m", "remount,bind,nosuid,noexec");
        assert_eq!(bound("bind").unwrap(), ("rw,nosuid,noexec,relatime".into(), 0));
        change("m", "remount,bind,suid,exec");
        change("m", "shared");
        // A peer of the source, and its slave, not those of a view.
        assert_eq!((bound("bind,shared").unwrap().1, bound("bind,slave").unwrap().1, bound("bind").unwrap().1), (1, 1, 0));
        apply(&mounter, &[bind("m", "bind,shared")], "t").unwrap();
        mkdirs(scratch(), &["m/late"]);
        common::apply(&[tmpfs()], "m/late").unwrap();
        assert_eq!(mounts_below(file("t")).len(), 2, "what is mounted in the source shows in its peer");
        change("m", "rprivate");
        change("t", "rprivate");
        unmount_all("t");
        change("m", "unbindable");
        assert!(bound("bind").is_err());
        change("m", "private");
        unmount_all("m");
    }

    /// A name that leads elsewhere by now, and a source that is mounted over, are seen as they are.
    fn names_that_change() needs [] {
        let mounter = many_child_mounts();
        let who = || {
            apply(&mounter, &in_set(bind("m/data", "bind")), "t").unwrap();
            let text = read(file("t/in/who"));
            unmount_all("t");
            text
        };
        assert_eq!(who(), "data");
        std::fs::rename(file("m/data"), file("m/was")).unwrap();
        mkdirs(scratch(), &["m/data"]);
        write(file("m/data/who"), "another");
        assert_eq!(who(), "another");
        common::apply(&[bind("m/was", "bind")], "m/data").unwrap();
        assert_eq!(who(), "data");
        unmount_all("m/data");
        // From another directory, and by a path that leaves the mount and returns to it.
        let dir = Target::open(CWD, file("m/was")).unwrap();
        let away = Path::new("../../m/./link/../data/who");
        let plan = Plan::new(in_set(Mount::new("bind", away).option("bind"))).unwrap();
        mounter.apply(&dir, &plan, &Target::open(CWD, file("t")).unwrap()).unwrap();
        assert_eq!(read(file("t/in")), "another");
        unmount_all("t");
        drop(dir);
        unmount_all("m");
    }
}
