// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Calls the public functions from a thread with its own descriptor table, and with a /proc that is
//! not procfs: neither may act on another file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use fmountat::call::PrivateCwd;
use fmountat::kernel::{Features, Limits};
use fmountat::options::Options;
use fmountat::overlay::Overlay;
use fmountat::temp::{TempError, TempMount};
use fmountat::{DetachedSet, Error, ErrorKind, Mount, MountAttr, Mounter, Plan, Target, Unmount, remount};
use fmountat_testing::{
    MountLine, in_own_namespace, mkdirs, mount_table, own_descriptors, own_root, read, scratch, write,
};
use rustix::fs::{CWD, symlink};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_move, unmount};
use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;

fn file(name: &str) -> PathBuf {
    scratch().join(name)
}

fn tmpfs_on(path: &Path, who: &str) {
    mount("none", path, "tmpfs", MountFlags::empty(), Some(c"mode=0750")).unwrap();
    write(path.join("who"), who);
}

fn plan(mounts: &[Mount]) -> Plan {
    Plan::new(mounts).unwrap()
}

fn target(name: &str) -> Target {
    Target::open(CWD, file(name)).unwrap()
}

fn build(mounts: &[Mount], name: &str) -> Result<DetachedSet, Error> {
    Mounter::detached().build(CWD, &plan(mounts), &target(name))
}

fn overlay() -> Overlay {
    Overlay::new().lower(file("l1")).lower(file("l2"))
}

fn mounter_without(change: impl Fn(&mut Features)) -> Mounter {
    let mut features = Features::get();
    change(&mut features);
    Mounter::with(features, None)
}

/// A call that needs the name of a descriptor, and a check of its result. A mount that it leaves is
/// on `t`.
type Call = (&'static str, fn() -> Result<(), Error>);

const CALLS: [Call; 12] = [
    ("set the root's mode", || {
        let tmpfs = Mount::new("tmpfs", "none").option("mode=0700,X-mount.mode=0701");
        Mounter::detached().apply(CWD, &plan(&[tmpfs]), &target("t"))?;
        assert_eq!(file("t").metadata().unwrap().permissions().mode() & 0o7777, 0o701);
        Ok(())
    }),
    ("set a file's mode", || {
        let bind = Mount::new("bind", file("f1")).option("bind,X-mount.mode=0601");
        Mounter::detached().apply(CWD, &plan(&[bind]), &target("f"))?;
        assert_eq!(file("f1").metadata().unwrap().permissions().mode() & 0o7777, 0o601);
        unmount(file("f"), UnmountFlags::DETACH).unwrap();
        tmpfs_on(&file("t"), "tmpfs");
        Ok(())
    }),
    ("a temporary mount", || {
        let bind = Mount::new("bind", file("l1")).option("bind");
        let mounted = TempMount::new().with(&Mounter::detached(), CWD, &[bind], |root| {
            assert_eq!(read(root.path().join("who")), "l1");
            Ok::<_, std::io::Error>(())
        });
        match mounted {
            Err(TempError::Mount(error)) => return Err(error),
            done => done.unwrap(),
        }
        tmpfs_on(&file("t"), "tmpfs");
        Ok(())
    }),
    ("layers by name", || {
        let mounter = mounter_without(|features| features.overlay_layer_fds = false);
        let tree = mounter.overlay_tree(CWD, &overlay(), &MountAttr::default())?;
        tree.attach(&target("t"))?;
        assert_eq!(read(file("t/who")), "l1");
        Ok(())
    }),
    ("layers with mount(2)", || {
        let mounter = mounter_without(|features| {
            features.overlay_layer_fds = false;
            features.overlay_append_layers = false;
        });
        let tree = mounter.overlay_tree(CWD, &overlay(), &MountAttr::default())?;
        tree.attach(&target("t"))?;
        assert_eq!(read(file("t/who")), "l1");
        Ok(())
    }),
    ("an overlay on a relative target elsewhere", || {
        let mounter = Mounter::with(Features::get(), Some(PrivateCwd::child()));
        mounter.overlay(File::open(scratch()).unwrap(), &overlay(), "t")?;
        assert_eq!(read(file("t/who")), "l1");
        Ok(())
    }),
    ("the same by the worker", || {
        let mounter = Mounter::with(Features::get(), Some(PrivateCwd::worker().unwrap()));
        mounter.overlay(File::open(scratch()).unwrap(), &overlay(), "t")?;
        assert_eq!(read(file("t/who")), "l1");
        Ok(())
    }),
    ("replace a set", || {
        tmpfs_on(&file("t"), "old");
        let bind = Mount::new("bind", file("l1")).option("bind");
        let built = build(&[bind], "t")?;
        built.replace(&target("t"))?;
        assert_eq!(read(file("t/who")), "l1");
        Ok(())
    }),
    ("unmount", || {
        tmpfs_on(&file("t"), "old");
        Unmount::new().run(file("t")).map_err(|errors| errors[0].clone())?;
        tmpfs_on(&file("t"), "new");
        Ok(())
    }),
    ("unmount all below", || {
        tmpfs_on(&file("t"), "old");
        mkdirs(file("t"), &["inner"]);
        tmpfs_on(&file("t/inner"), "inner");
        Unmount::new().recursive(true).run(file("t")).map_err(|errors| errors[0].clone())?;
        tmpfs_on(&file("t"), "new");
        Ok(())
    }),
    ("map owners", || {
        let bind = Mount::new("bind", file("l1")).option("bind,uidmap=0:5000:1,gidmap=0:6000:1");
        Mounter::detached().apply(CWD, &plan(&[bind]), &target("t"))?;
        let stat = file("t/who").metadata().unwrap();
        assert_eq!((stat.uid(), stat.gid()), (5000, 6000));
        Ok(())
    }),
    ("remount", || {
        tmpfs_on(&file("t"), "tmpfs");
        remount(&target("t"), &Options::parse(["ro"]).unwrap())
    }),
];

fn furnish() {
    mkdirs(scratch(), &["t", "decoy"]);
    for name in ["l1", "l2"] {
        write(file(name).join("who"), name);
    }
    for name in ["f", "f1"] {
        write(file(name), name);
    }
    tmpfs_on(&file("decoy"), "decoy");
}

/// Without the order of reading, and what is expected to be there: the mount on `t`.
fn others() -> Vec<MountLine> {
    mount_table().into_iter().filter(|line| !line.point.starts_with(file("t"))).collect()
}

fn assert_decoy_is_as_it_was() {
    let decoy = file("decoy").metadata().unwrap();
    assert_eq!(decoy.permissions().mode() & 0o7777, 0o750, "the mode of another file was changed");
    let names: Vec<_> =
        std::fs::read_dir(file("decoy")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["who"]);
    assert_eq!(read(file("decoy/who")), "decoy");
}

/// Runs `body` on a thread with its own descriptor table. In the table of the main thread, the
/// numbers of its new descriptors refer to the decoy.
fn with_own_descriptors<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    let (ready, is_ready) = channel();
    let (go, may_go) = channel();
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            own_descriptors();
            ready.send(()).unwrap();
            may_go.recv().unwrap();
            body()
        });
        is_ready.recv().unwrap();
        let decoys: Vec<File> = (0..100).map(|_| File::open(file("decoy")).unwrap()).collect();
        go.send(()).unwrap();
        let done = thread.join();
        drop(decoys);
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A tmpfs on /proc that has the names: each descriptor is the decoy's parent, or the decoy.
fn lay_false_files_over_proc() {
    mkdirs(scratch(), &["proc"]);
    let proc = file("proc");
    mount("none", &proc, "tmpfs", MountFlags::empty(), None).unwrap();
    for own in ["self", "thread-self"] {
        mkdirs(&proc, &[format!("{own}/fd").as_str(), &format!("{own}/ns")]);
        for number in 0..100 {
            symlink(file("decoy"), proc.join(format!("{own}/fd/{number}"))).unwrap();
        }
        for name in ["mountinfo", "status", "cgroup", "uid_map", "gid_map"] {
            write(proc.join(own).join(name), read(Path::new("/proc/thread-self").join(name)));
        }
    }
    write(proc.join("filesystems"), read("/proc/filesystems"));
    write(proc.join("sys/kernel/random/boot_id"), read("/proc/sys/kernel/random/boot_id"));
    mount_move(&proc, "/proc").unwrap();
}

/// Whether each call fails in words, or works without /proc; nothing else may have changed.
fn each_is_refused_or_works(cover: fn(), uncover: fn(), also: &[&str]) {
    furnish();
    let mut refused = Vec::new();
    for (name, call) in CALLS {
        eprintln!("{name}:");
        in_own_namespace(|| {
            let before = others();
            cover();
            let done = call();
            uncover();
            if let Err(error) = done {
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
                assert_eq!(error.hint(), Some("run `mount -t proc proc /proc`"), "{error}");
                refused.push(name);
            }
            assert_eq!(others(), before);
            assert_decoy_is_as_it_was();
        });
    }
    for name in ["a temporary mount", "layers by name", "replace a set", "unmount", "unmount all below"]
        .iter()
        .chain(also)
    {
        assert!(refused.contains(name), "{name} worked by a false /proc: {refused:?}");
    }
}

fmountat_testing::cases! {
    /// A thread with its own descriptor table (`unshare(CLONE_FILES)`), where /proc/self shows that
    /// of another thread.
    fn each_call_from_a_thread_with_its_own_descriptors() needs [Kernel(6, 15), Root, Filesystem("overlay")] {
        furnish();
        let before = others();
        for (name, call) in CALLS {
            eprintln!("{name}:");
            with_own_descriptors(call).unwrap();
            unmount(file("t"), UnmountFlags::DETACH).unwrap();
            assert_eq!(others(), before);
            assert_decoy_is_as_it_was();
        }
    }

    /// The count is the thread's.
    fn limits_of_a_thread_with_its_own_descriptors() needs [] {
        mkdirs(scratch(), &["decoy"]);
        let count = || Limits::read().files.unwrap();
        let before = count();
        assert!(with_own_descriptors(count) < before + 50);
        let _one_more = File::open(scratch()).unwrap();
        assert_eq!(count(), before + 1);
    }

    fn a_tmpfs_over_proc_with_false_files() needs [Kernel(6, 15), Root, Filesystem("overlay")] {
        each_is_refused_or_works(lay_false_files_over_proc, || unmount("/proc", UnmountFlags::DETACH).unwrap(), &["map owners"]);
    }

    /// The root of procfs is true, and the directory of descriptors is not.
    fn a_tmpfs_over_the_threads_descriptors() needs [Kernel(6, 15), Root, Filesystem("overlay")] {
        const NAMES: &str = "/proc/thread-self/fd";
        each_is_refused_or_works(
            || {
                mount("none", NAMES, "tmpfs", MountFlags::empty(), None).unwrap();
                (0..100).for_each(|number| symlink(file("decoy"), format!("{NAMES}/{number}")).unwrap());
            },
            || unmount(NAMES, UnmountFlags::DETACH).unwrap(),
            &[],
        );
    }

    /// A directory of the true procfs is no root of it.
    fn a_bind_of_a_process_over_proc() needs [Root] {
        mkdirs(scratch(), &["t"]);
        in_own_namespace(|| {
            tmpfs_on(&file("t"), "t");
            rustix::mount::mount_bind("/proc/self", "/proc").unwrap();
            let errors = Unmount::new().run(file("t")).unwrap_err();
            assert_eq!(errors[0].kind(), ErrorKind::Unsupported, "{errors}");
            assert!(errors[0].reason().contains("not the root of a procfs"), "{errors}");
            unmount("/proc", UnmountFlags::DETACH).unwrap();
            Unmount::new().run(file("t")).unwrap();
        });
    }

    /// In a chroot whose /proc is a directory with files in it.
    fn a_chroot_with_a_false_proc() needs [Root] {
        mkdirs(scratch(), &["jail/t", "jail/decoy", "jail/proc/thread-self/fd", "jail/proc/self/fd"]);
        for (number, own) in (0..100).flat_map(|number| [(number, "self"), (number, "thread-self")]) {
            symlink("/decoy", file("jail/proc").join(own).join("fd").join(number.to_string())).unwrap();
        }
        tmpfs_on(&file("jail/t"), "t");
        tmpfs_on(&file("jail/decoy"), "decoy");
        let before = mount_table();
        let jail = file("jail");
        let errors = in_own_namespace(move || {
            own_root(&jail);
            Unmount::new().run("/t").unwrap_err()
        });
        assert_eq!(errors[0].kind(), ErrorKind::Unsupported, "{errors}");
        assert_eq!(mount_table(), before);
    }

    fn the_mount_table_without_proc() needs [Root] {
        in_own_namespace(|| {
            unmount("/proc", UnmountFlags::DETACH).unwrap();
            let error = fmountat::mountinfo::read().unwrap_err();
            assert_eq!((error.kind(), error.errno()), (ErrorKind::Unsupported, libc::ENOENT), "{error}");
        });
    }
}
