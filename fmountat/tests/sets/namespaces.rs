// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A set as the root of a mount namespace of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::{file, tmpfs, unmount_all};
use fmountat::kernel::Features;
use fmountat::{DetachedSet, ErrorKind, Mount, MountNamespace, Mounter, Plan, Target};
use fmountat_testing::{
    Forked, command_output, events_of, loop_devices, mkdirs, mount_table, mounts_below, read, scratch, write,
};
use rustix::fs::CWD;
use rustix::mount::{MountPropagationFlags, mount_change};
use std::fs::File;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// How often a process is killed.
const KILLS: u64 = 100;

/// Returns a root with mounts: a program, the host's libraries, and file systems.
fn mounts() -> Vec<Mount> {
    let mut mounts = vec![tmpfs()];
    for directory in ["/bin", "/lib", "/lib64", "/usr", "/proc"] {
        if std::path::Path::new(directory).exists() {
            let at = std::fs::canonicalize(directory).unwrap();
            mounts.push(Mount::new("bind", at).at(directory).option("rbind,X-mount.mkdir"));
        }
    }
    mounts.push(tmpfs().at("/data").option("X-mount.mkdir,noexec"));
    mounts
}

fn build(mounter: &Mounter) -> DetachedSet {
    let set = mounter.build(CWD, &Plan::new(mounts()).unwrap(), None).unwrap();
    let data = Target::in_root(set.root(), "data").unwrap();
    let name =
        format!("/proc/self/fd/{}/who", std::os::fd::AsRawFd::as_raw_fd(&std::os::fd::AsFd::as_fd(&data)));
    write(PathBuf::from(name), "data");
    set
}

/// Returns the output of a shell in the namespace.
fn output(namespace: &MountNamespace, script: &str) -> String {
    let output = namespace.command("/bin/sh").unwrap().arg("-c").arg(script).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Fails unless the namespace has the set as its root and no other mount.
fn check(namespace: &MountNamespace, what: &str) {
    assert_eq!(output(namespace, "cat /data/who; pwd"), "data/\n", "{what}");
    let table = output(namespace, "cat /proc/self/mountinfo");
    let points: Vec<&str> = table.lines().map(|line| line.split(' ').nth(4).unwrap()).collect();
    let directories: Vec<String> =
        mounts().iter().skip(1).map(|mount| mount.target.display().to_string()).collect();
    assert!(points.contains(&"/") && points.contains(&"/data"), "{what}: {table}");
    let is_of_set =
        |point: &&str| *point == "/" || directories.iter().any(|directory| point.starts_with(directory));
    assert!(points.iter().all(is_of_set), "{what}: {table}");
    assert!(!output(namespace, "ls /").contains("tmp"), "{what}");
}

fn older() -> Mounter {
    Mounter::with(Features::get().at_most(6, 19), None)
}

fmountat_testing::cases! {
    /// The namespace has the set as its root, and the caller's table shows nothing of it. The
    /// second is made from the private namespace.
    fn a_set_is_the_root() needs [Kernel(6, 15)] {
        let before = mount_table();
        for (what, mounter) in [("this kernel", Mounter::detached()), ("before 7.0", older())] {
            let namespaces: Vec<MountNamespace> = (0..3).map(|_| build(&mounter).into_namespace().unwrap()).collect();
            for namespace in &namespaces {
                check(namespace, what);
            }
            assert_eq!(mount_table(), before, "{what}");
        }
    }

    /// A set built in a private namespace, as on a kernel that can't mount into a detached tree.
    fn of_a_set_that_was_copied() needs [] {
        let mounter = Mounter::with(Features::get().at_most(6, 12), None);
        let set = mounter.build(CWD, &Plan::new(mounts()).unwrap(), None).unwrap();
        let namespace = set.into_namespace().unwrap();
        assert_eq!(output(&namespace, "pwd"), "/\n");
    }

    /// Pinned on a file, the namespace outlives its descriptor; another process enters it by the
    /// file.
    fn a_pinned_namespace() needs [Kernel(6, 15)] {
        write(file("pin"), "");
        let namespace = build(&Mounter::detached()).into_namespace().unwrap();
        drop(namespace.pin(&Target::open(CWD, file("pin")).unwrap()).unwrap());
        drop(namespace);
        let again = MountNamespace::from_file(CWD, file("pin")).unwrap();
        check(&again, "by the file");
        let later = Mounter::detached().build(CWD, &Plan::new(&[tmpfs()]).unwrap(), None).unwrap();
        drop(later.attach_in(&again, &again.target("data").unwrap()).unwrap());
        assert_eq!(output(&again, "cat /data/who 2>/dev/null || echo covered"), "covered\n");
        drop(again);
        unmount_all("pin");
        assert_eq!(read(file("pin")), "");
    }

    fn what_can_not_hold_a_namespace() needs [Kernel(6, 15)] {
        mkdirs(scratch(), &["shared", "dir"]);
        Mounter::detached().apply(CWD, &Plan::new(&[tmpfs()]).unwrap(), &Target::open(CWD, file("shared")).unwrap()).unwrap();
        mount_change(file("shared"), MountPropagationFlags::SHARED).unwrap();
        write(file("shared/pin"), "");
        let namespace = build(&Mounter::detached()).into_namespace().unwrap();
        for (path, kind) in [("shared/pin", ErrorKind::Unsupported), ("dir", ErrorKind::WrongTargetType)] {
            let error = namespace.pin(&Target::open(CWD, file(path)).unwrap()).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
        }
        unmount_all("shared");
        // A file can't be a root.
        write(file("f"), "f");
        let set = Mounter::detached().build(CWD, &Plan::new(&[Mount::new("bind", file("f")).option("bind")]).unwrap(), None).unwrap();
        let failed = set.into_namespace().unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::WrongTargetType);
        let (_, set) = failed.into_parts();
        write(file("g"), "");
        set.unwrap().attach(&Target::open(CWD, file("g")).unwrap()).unwrap();
        assert_eq!(read(file("g")), "f");
        unmount_all("g");
    }

    /// Where unshare(2) is forbidden it is refused, and the set is given back.
    fn without_unshare() needs [Kernel(6, 15)] {
        let mut features = Features::get().at_most(6, 19);
        features.private_namespace = false;
        let failed = build(&Mounter::with(features, None)).into_namespace().unwrap_err();
        assert_eq!((failed.kind(), failed.hint().is_some()), (ErrorKind::Permission, true), "{failed}");
        mkdirs(scratch(), &["t"]);
        failed.into_parts().1.unwrap().attach(&Target::open(CWD, file("t")).unwrap()).unwrap();
        assert_eq!(read(file("t/data/who")), "data");
        unmount_all("t");
    }

    /// Neither namespaces nor their mounts remain when the handle and the results are dropped.
    fn nothing_is_left() needs [Kernel(6, 15)] {
        mkdirs(scratch(), &["fs"]);
        Mounter::detached().apply(CWD, &Plan::new(&[tmpfs()]).unwrap(), &Target::open(CWD, file("fs")).unwrap()).unwrap();
        let ((), events) = events_of(&["strategy operation=\"make a mount namespace"], || {
            let mounter = older();
            for _ in 0..5 {
                let root = Mount::new("bind", file("fs")).option("bind");
                let set = mounter.build(CWD, &Plan::new(&[root]).unwrap(), None).unwrap();
                drop(set.into_namespace().unwrap());
            }
        });
        assert_eq!(events.len(), 5);
        assert_eq!(mounts_below(file("fs")).len(), 1);
        unmount_all("fs");
    }

    /// A process that is killed while it makes namespaces leaves none: each would keep the image's
    /// loop device in use.
    fn killed_at_any_moment() needs [Root, Kernel(6, 15), Tool("mkfs.ext4"), Filesystem("ext4")] {
        mkdirs(scratch(), &["fs"]);
        File::create(file("image")).unwrap().set_len(4 << 20).unwrap();
        command_output(Command::new("mkfs.ext4").arg("-q").arg(file("image")));
        let image = Plan::new(&[Mount::new("ext4", file("image")).option("loop")]).unwrap();
        let root = Mount::new("bind", file("fs")).option("bind");
        let set = Plan::new(&[root, tmpfs().at("lost+found")]).unwrap();
        for round in 0..KILLS {
            Mounter::detached().apply(CWD, &image, &Target::open(CWD, file("fs")).unwrap()).unwrap();
            let process = Forked::start(|stop| {
                let mounter = older();
                let mut made = 0;
                while !stop.is_asked() {
                    drop(mounter.build(CWD, &set, None).unwrap().into_namespace().unwrap());
                    made += 1;
                }
                [made]
            });
            std::thread::sleep(Duration::from_micros(round * 977 % 9_000));
            drop(process);
            unmount_all("fs");
            assert_eq!(loop_devices(&scratch()), Vec::<String>::new(), "round {round}");
        }
    }
}
