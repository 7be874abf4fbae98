// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests unmounting: stacks, trees, by id, hidden mounts, calls that hang, busy mounts and their
//! holders.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fuse;
mod holding;

use crate::common::{apply, bind, file};
use fmountat::error::HolderKind;
use fmountat::table::holders;
use fmountat::{ErrorKind, MountId, Target, Unmount};
use fmountat_testing::{INSIDE, command_output, in_own_namespace, mkdirs, mounts_below, scratch, write};
use holding::{Holding, busy, shell, soon, without_process};
use rustix::fd::AsFd;
use rustix::fs::CWD;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Mounts a tmpfs at `path` in the scratch directory, and creates the mount point.
fn put(path: &str) -> MountId {
    std::fs::create_dir_all(file(path)).unwrap();
    fmountat::fmountat(CWD, "t", file(path), "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
    id(path)
}

fn id(path: &str) -> MountId {
    MountId::of(Target::open(CWD, file(path)).unwrap().as_fd()).unwrap()
}

fn left(path: &str) -> usize {
    mounts_below(file(path)).len()
}

fn kinds<E: Into<fmountat::Errors>>(done: Result<(), E>) -> Vec<ErrorKind> {
    done.err().map_or_else(Vec::new, |errors| errors.into().iter().map(fmountat::Error::kind).collect())
}

/// Returns the library of the test itself, for a process to map.
fn a_library() -> String {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| line.contains("/libgcc_s")).unwrap();
    line[line.find('/').unwrap()..].to_owned()
}

/// The mount below `scratch()/shared` that a shared parent passes on.
fn put_below_shared() {
    put("shared");
    command_output(Command::new("mount").arg("--make-shared").arg(file("shared")));
    put("shared/m");
}

fmountat_testing::cases! {
    /// `all` unmounts the whole stack at the target and accepts an empty one; a plain call unmounts
    /// the top mount.
    fn all_of_a_stack() needs [] {
        (0..3).for_each(|_| {
            put("t");
        });
        put("t/below");
        assert_eq!(kinds(soon().all(true).run(file("t"))), [ErrorKind::Busy]);
        Unmount::new().run(file("t/below")).unwrap();
        Unmount::new().run(file("t")).unwrap();
        assert_eq!(left("t"), 2);
        Unmount::new().all(true).run(file("t")).unwrap();
        assert_eq!(left("t"), 0);
        Unmount::new().all(true).run(file("t")).unwrap();
        Unmount::new().all(true).run(file("nowhere/at/all")).unwrap();
        Unmount::new().all(true).recursive(true).run(file("t")).unwrap();
        assert_eq!(kinds(soon().run(file("t"))), [ErrorKind::NotMounted]);
        put("t");
        symlink(file("t"), file("link")).unwrap();
        assert_eq!(kinds(soon().all(true).run(file("link"))), [ErrorKind::NotMounted]);
        (0..2).for_each(|_| {
            put("t");
        });
        put("t/below");
        Unmount::new().all(true).lazy(true).run(file("t")).unwrap();
        assert_eq!(left("t"), 0);
    }

    /// Mounts beneath others, on the same target or above it, are unmounted with a tree; the
    /// kernel's order does not suffice.
    fn hidden_mounts_go_with_the_tree() needs [] {
        for lazy in [false, true] {
            put("t");
            put("t/sub/deep");
            put("t/sub");
            put("t/a/b/c");
            put("t/a/b");
            put("t/a");
            put("t/z");
            put("t");
            put("t/sub");
            assert_eq!(left("t"), 9);
            Unmount::new().recursive(true).lazy(lazy).run(file("t")).unwrap_or_else(|e| panic!("{lazy}: {e:?}"));
            assert_eq!(left("t"), 0);
        }
    }

    /// A mount that appears on top while a busy mount is retried is not unmounted.
    fn a_mount_that_came_on_top_is_not_taken() needs [] {
        put("t");
        let held = std::fs::File::create(file("t/held")).unwrap();
        let unmount = Unmount::new().timeout(Duration::from_secs(20));
        std::thread::scope(|scope| {
            let busy = scope.spawn(|| unmount.run(file("t")));
            std::thread::sleep(Duration::from_millis(200));
            assert!(!busy.is_finished());
            put("t");
            assert_eq!(kinds(busy.join().unwrap()), [ErrorKind::Busy]);
        });
        assert_eq!(left("t"), 2);
        drop(held);
    }

    /// Reports every mount of the tree that cannot be unmounted, and unmounts the others.
    fn all_errors_of_a_tree() needs [] {
        put("t");
        put("t/a");
        put("t/a/hidden");
        put("t/b");
        let cover = put("t/a");
        let held = Holding::start(shell("true").current_dir(file("t/a")), "sleep");
        let errors = soon().recursive(true).run(file("t")).unwrap_err();
        let reported: Vec<&Path> = errors.iter().map(|e| Path::new(e.argument().unwrap())).collect();
        assert_eq!(reported[0], file("t/a"), "{errors:?}");
        assert!(reported.contains(&file("t/a/hidden").as_path()) && reported.contains(&file("t").as_path()), "{errors:?}");
        assert_eq!(errors[0].holders(), [held.is(HolderKind::Cwd)]);
        assert_eq!((left("t"), id("t/a")), (4, cover));
        drop(held);
        Unmount::new().recursive(true).run(file("t")).unwrap();
    }

    /// Unmounting one may take others of the tree by propagation: no error.
    fn copies_that_go_by_themselves() needs [Tool("mount")] {
        put("p");
        command_output(Command::new("mount").arg("--make-shared").arg(file("p")));
        mkdirs(file("p"), &["a/x", "b"]);
        fmountat::fmountat(CWD, file("p/a"), file("p/b"), "", fmountat::MountFlags::BIND, "").unwrap();
        put("p/a/x");
        assert_eq!(left("p"), 4);
        Unmount::new().recursive(true).run(file("p")).unwrap();
        assert_eq!(left("p"), 0);
    }

    /// By id exactly that mount is unmounted, never one on top or above it, and none twice.
    fn by_id() needs [Statmount] {
        let below = put("t");
        let top = put("t");
        assert_eq!(kinds(soon().run_id(below)), [ErrorKind::Busy]);
        assert_eq!(kinds(soon().lazy(true).run_id(below)), [ErrorKind::Busy]);
        assert_eq!((left("t"), id("t")), (2, top));
        Unmount::new().run_id(top).unwrap();
        assert_eq!((left("t"), id("t")), (1, below));
        assert_eq!(kinds(soon().run_id(top)), [ErrorKind::NotMounted]);
        let inner = put("t/in/here");
        let cover = put("t/in");
        mkdirs(file("t/in"), &["here"]);
        assert_eq!(kinds(soon().run_id(inner)), [ErrorKind::Busy]);
        Unmount::new().run_id(cover).unwrap();
        Unmount::new().run_id(inner).unwrap();
        for conflict in [soon().all(true), soon().recursive(true)] {
            assert_eq!(kinds(conflict.run_id(below)), [ErrorKind::OptionConflict]);
        }
        let line = fmountat_testing::mount_table().into_iter().find(|line| line.point == file("t")).unwrap();
        Unmount::new().run_id(MountId::from_number(line.id.parse().unwrap())).unwrap();
        assert_eq!(left("t"), 0);
        assert_eq!(kinds(soon().run_id(MountId::from_number(u64::MAX - 7))), [ErrorKind::NotMounted]);
    }

    /// Two read-only recursive binds, the second inside the first: gone as a list and as a tree.
    fn two_read_only_binds() needs [] {
        mkdirs(scratch(), &["t", "one/foo", "two"]);
        put("one/sub");
        let set = || apply(&[bind("one", "rbind,ro"), bind("two", "rbind,ro").at("foo")], "t").unwrap();
        set();
        assert_eq!(left("t"), 3);
        for target in ["t/foo", "t/sub", "t"] {
            Unmount::new().run(file(target)).unwrap();
        }
        assert_eq!(left("t"), 0);
        set();
        Unmount::new().recursive(true).run(file("t")).unwrap();
        assert_eq!((left("t"), left("one")), (0, 1));
    }

    /// Each thing of a process that can hold a mount is named, with the process.
    fn a_busy_mount_names_processes() needs [Tool("sleep"), Tool("perl")] {
        put("m");
        write(file("m/f"), "text");
        let sleep = command_output(Command::new("which").arg("sleep"));
        std::fs::copy(sleep.trim(), file("m/program")).unwrap();
        let library = file("m/library.so");
        std::fs::copy(a_library(), &library).unwrap();
        let rows = [
            (shell("exec 7<m/f"), "sleep", HolderKind::Descriptor(7)),
            (shell("cd m"), "sleep", HolderKind::Cwd),
            (shell("exec perl -e 'chroot \"m\" or die; sleep 1000'"), "perl", HolderKind::Root),
            (shell("exec m/program 1000"), "program", HolderKind::Executable),
            (shell("LD_PRELOAD=m/library.so exec sleep 1000"), "sleep", HolderKind::Mapping),
        ];
        // Another mount of the same file system is not the same mount.
        mkdirs(scratch(), &["other"]);
        fmountat::fmountat(CWD, file("m"), file("other"), "", fmountat::MountFlags::BIND, "").unwrap();
        let mut elsewhere = shell("exec 8<other/f; LD_PRELOAD=other/library.so exec sleep 1000");
        let _elsewhere = Holding::start(elsewhere.current_dir(scratch()), "sleep");
        for (mut command, name, kind) in rows {
            let held = Holding::start(&mut command, name);
            let error = busy(&file("m"));
            assert_eq!(error.holders(), [held.is(kind.clone())], "{kind:?}");
            let line = format!("\n  held by {name} (pid {}): {kind}\n", held.0.id());
            assert!(error.to_string().contains(&line), "{error}");
            assert_eq!(holders(id("m")).unwrap(), error.holders());
        }
        Unmount::new().run(file("m")).unwrap();
    }

    /// More than five processes: five are named, all are there.
    fn many_holders() needs [Tool("sleep")] {
        put("m");
        let held: Vec<Holding> = (0..7).map(|_| Holding::start(&mut shell("cd m"), "sleep")).collect();
        let error = busy(&file("m"));
        assert_eq!(error.holders().len(), held.len());
        let text = error.to_string();
        assert_eq!(text.matches("held by sleep (pid ").count(), 5, "{text}");
        assert!(text.contains("\n  and 2 more\n"), "{text}");
    }

    /// A mount below is named, and nothing is waited for.
    fn a_busy_mount_names_the_mount_below() needs [] {
        put("m");
        put("m/a/b");
        let start = Instant::now();
        let errors = Unmount::new().run(file("m")).unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(1));
        assert_eq!(errors[0].holders(), [without_process(HolderKind::MountBelow(file("m/a/b")))]);
    }

    /// A loop device on a file of the mount is named, also when the file has no name any more.
    fn a_busy_mount_names_the_loop_device() needs [Root, Tool("losetup")] {
        put("m");
        write(file("m/image"), vec![0u8; 1 << 20]);
        let device = command_output(Command::new("losetup").args(["-f", "--show"]).arg(file("m/image")));
        let errors = [busy(&file("m")), { std::fs::remove_file(file("m/image")).unwrap(); busy(&file("m")) }];
        command_output(Command::new("losetup").args(["-d", device.trim()]));
        for error in errors {
            assert_eq!(error.holders(), [without_process(HolderKind::LoopDevice(device.trim().into()))]);
        }
        Unmount::new().run(file("m")).unwrap();
    }

    /// A process in another mount namespace uses the copy that is unmounted too.
    fn a_busy_copy_elsewhere() needs [Tool("unshare"), Tool("mount")] {
        put_below_shared();
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "unchanged", "sh", "-c", "cd shared/m; exec sleep 1000"]);
        let held = Holding::start(command.current_dir(scratch()), "sleep");
        let error = busy(&file("shared/m"));
        let mut want = held.is(HolderKind::Cwd);
        want.in_copy = true;
        assert_eq!(error.holders(), [want]);
        assert!(error.to_string().contains(": cwd in a copy of the mount"), "{error}");
        drop(held);
        Unmount::new().run(file("shared/m")).unwrap();
    }

    /// A single thread in such a copy, of this very process.
    fn a_thread_in_a_copy() needs [Tool("mount")] {
        put_below_shared();
        let error = in_own_namespace(|| {
            std::env::set_current_dir(file("shared/m")).unwrap();
            std::thread::scope(|scope| {
                // A thread started earlier would be better, but this one uses the same copy.
                scope.spawn(|| holders(id("shared/m"))).join().unwrap()
            })
        });
        let own = error.unwrap();
        assert!(own.iter().any(|h| h.pid == Some(std::process::id()) && h.kind == HolderKind::Cwd), "{own:?}");
    }

    /// The unmount succeeds if the holder ends within the timeout.
    fn a_holder_that_ends() needs [Tool("sleep")] {
        put("m");
        let mut child = Command::new("sleep").arg("0.3").current_dir(file("m")).spawn().unwrap();
        let start = Instant::now();
        Unmount::new().run(file("m")).unwrap();
        assert!((Duration::from_millis(150)..Duration::from_secs(2)).contains(&start.elapsed()));
        child.wait().unwrap();
    }

    /// Without /proc the error says so.
    fn without_proc() needs [Root] {
        put("m");
        let errors = in_own_namespace(|| {
            rustix::mount::unmount("/proc", rustix::mount::UnmountFlags::DETACH).unwrap();
            soon().run(file("m")).unwrap_err()
        });
        assert_eq!(errors[0].kind(), ErrorKind::Unsupported);
        assert!(errors[0].to_string().contains("/proc"), "{errors:?}");
        assert_eq!(left("m"), 1);
    }

    /// A recursive copy is unmounted as a whole, but not while a process uses it: the case runs
    /// again with all mounts locked together.
    fn a_recursive_copy() needs [Tool("sleep")] {
        if !file("t/sub").exists() {
            put("t");
            put("t/sub");
        }
        mkdirs(scratch(), &["copy"]);
        fmountat::fmountat(CWD, file("t"), file("copy"), "", fmountat::MountFlags::BIND | fmountat::MountFlags::REC, "").unwrap();
        let held = Holding::start(Command::new("sleep").arg("1000").current_dir(file("copy/sub")), "sleep");
        let errors = soon().recursive(true).run(file("copy")).unwrap_err();
        assert!(errors.iter().all(|error| error.kind() == ErrorKind::Busy), "{errors:?}");
        assert_eq!((left("copy"), errors[0].holders()), (2, &[held.is(HolderKind::Cwd)][..]));
        drop(held);
        // A mount of ours in it is unmounted before the others prove to be locked.
        fmountat::fmountat(CWD, "own", file("copy/sub"), "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
        Unmount::new().recursive(true).run(file("copy")).unwrap();
        assert_eq!(left("copy"), 0);
    }

    /// Mounts that came into a user namespace from outside can't go one by one.
    fn mounts_locked_together() needs [Root, UserNamespaces, Tool("unshare")] {
        mkdirs(scratch(), &["pattern"]);
        put("t");
        put("t/sub");
        let mut again = Command::new("unshare");
        again.args(["--user", "--map-root-user", "--mount"]).arg(std::env::current_exe().unwrap());
        command_output(again.args([INSIDE, "unmount::a_recursive_copy"]).arg(scratch()));
    }

    /// For the process's own root the kernel would make the file system read-only and report
    /// success.
    fn the_own_root_is_refused() needs [Root] {
        put("m");
        put("m/sub");
        mkdirs(scratch(), &["m/proc"]);
        in_own_namespace(|| {
            fmountat::fmountat(CWD, "proc", file("m/proc"), "proc", fmountat::MountFlags::empty(), "").unwrap();
            fmountat_testing::own_root(&file("m"));
            for unmount in [soon(), soon().recursive(true), soon().all(true)] {
                let errors = unmount.run("/").unwrap_err();
                assert_eq!(errors[0].kind(), ErrorKind::Unsupported, "{errors:?}");
            }
            std::fs::write("/new", "").unwrap();
            assert!(std::fs::exists("/sub").unwrap());
        });
        assert_eq!(left("m"), 2);
        Unmount::new().recursive(true).run(file("m")).unwrap();
    }

    /// A FUSE mount whose server never answers: unmounted by the program in PATH, and by umount2
    /// without one.
    fn a_fuse_mount() needs [Root, Filesystem("fuse")] {
        fuse::unmount_in_time();
    }

    /// `fusermount3` runs first, in the parent directory of the mount; umount2 follows if it fails.
    fn fuse_by_its_program() needs [Root, Filesystem("fuse"), Tool("umount")] {
        fuse::with_program("exec umount -i ./m");
        fuse::with_program("exit 1");
    }

    /// The server of a file system does not answer the last request: the call returns in time with
    /// an error.
    fn one_that_hangs() needs [Root, Filesystem("fuseblk"), Tool("losetup")] {
        fuse::unanswered_destroy();
    }

    /// A frozen file system does not delay unmounting: the kernel keeps it until it is thawed.
    fn a_frozen_one() needs [Root, Filesystem("ext4"), Tool("mkfs.ext4"), Tool("losetup"), Tool("fsfreeze")] {
        mkdirs(scratch(), &["m"]);
        let device = fuse::loop_device("image", 16 << 20);
        command_output(Command::new("mkfs.ext4").args(["-q", &device]));
        let mount = || fmountat::fmountat(CWD, &device, file("m"), "ext4", fmountat::MountFlags::empty(), "");
        let freeze = |how| command_output(Command::new("fsfreeze").arg(how).arg(file("m")));
        mount().unwrap();
        freeze("-f");
        let start = Instant::now();
        let done = soon().run(file("m"));
        let took = start.elapsed();
        mount().unwrap();
        freeze("-u");
        Unmount::new().run(file("m")).unwrap();
        command_output(Command::new("losetup").args(["-d", &device]));
        assert_eq!(kinds(done), []);
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
}
