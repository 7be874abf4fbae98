// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sets of mounts: options that take effect, places that stay inside the root, all of a set or nothing of it.

#[path = "set/flags.rs"]
mod flags;

use fmountat::{
    Error, ErrorKind, Features, Mount, MountId, Mounter, Options, Plan, PrivateCwd, Target, Unmount,
    read_only_view, remount,
};
use fmountat_testing::{is_real_root, mkdirs, mount_flags, mounts_below, read, scratch, write};
use rustix::fd::AsFd;
use rustix::fs::CWD;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

fn file(path: &str) -> PathBuf {
    scratch().join(path)
}

fn apply(mounts: &[Mount], target: &str) -> Result<(), Error> {
    let target = Target::open(CWD, file(target))?;
    Mounter::detached().apply(CWD, &Plan::new(mounts)?, &target).map(drop)
}

fn unmount_all(target: &str) {
    let done = Unmount::new().recursive(true).run(file(target));
    done.unwrap_or_else(|errors| panic!("{errors:?}"));
    assert_eq!(mounts_below(file(target)), Vec::<String>::new());
}

fn tmpfs() -> Mount {
    Mount::new("tmpfs", "tmpfs")
}

fn bind(source: &str, options: &str) -> Mount {
    Mount::new("bind", file(source)).option(options)
}

/// A set of ten mounts: a tmpfs with nine more in it.
fn ten() -> Vec<Mount> {
    let mut mounts = vec![tmpfs()];
    mounts.extend((1..10).map(|n| tmpfs().at(format!("d{n}")).option("X-mount.mkdir,size=64k")));
    mounts
}

/// The mount that is seen at a path.
fn id_at(path: &std::path::Path) -> Option<MountId> {
    MountId::of(Target::open(CWD, path).ok()?.as_fd()).ok()
}

/// Whether a set of ten is at `t`, the same before and after the look, and lacks some of its mounts.
fn is_half_done(bare: MountId) -> bool {
    let root = id_at(&file("t"));
    let there =
        (1..10).filter(|n| id_at(&file(&format!("t/d{n}"))).is_some_and(|id| Some(id) != root)).count();
    root != Some(bare) && there < 9 && root == id_at(&file("t"))
}

/// The shared body of the two publishing tests: how often a reader in a thread of its own sees a half-done set while
/// `publish` runs.
fn half_seen(rounds: usize, publish: impl Fn()) -> usize {
    let stop = AtomicBool::new(false);
    let bare = id_at(&file("t")).unwrap();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut half = 0;
            while !stop.load(Ordering::Relaxed) {
                half += usize::from(is_half_done(bare));
            }
            half
        });
        for _ in 0..rounds {
            publish();
        }
        stop.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    })
}

fn drop_in_one_step() {
    Unmount::new().lazy(true).run(file("t")).unwrap();
}

fmountat_testing::tests! {
    /// Every flag word on every kind of mount: what the kernel then shows.
    fn flag_words_take_effect() needs [] {
        flags::check_all();
    }

    /// `rbind,ro` is the top only, `rbind,rro` the whole tree; both as the word says.
    fn recursive_words_reach_submounts() needs [] {
        mkdirs(scratch(), &["s", "t"]);
        apply(&[tmpfs(), tmpfs().at("sub").option("X-mount.mkdir")], "s").unwrap();
        for (options, top, sub) in [("rbind,ro", "ro", "rw"), ("rbind,rro", "ro", "ro"), ("rbind,rro,rw", "rw", "ro"), ("rbind,ro=recursive", "ro", "ro")] {
            apply(&[bind("s", options)], "t").unwrap();
            assert!(mount_flags(file("t")).starts_with(top), "{options}");
            assert!(mount_flags(file("t/sub")).starts_with(sub), "{options}");
            unmount_all("t");
        }
    }

    /// In a user namespace the kernel locks flags of mounts from outside: a bind works and they stay.
    fn locked_flags_stay_and_the_bind_works() needs [User] {
        mkdirs(scratch(), &["t"]);
        for options in ["rbind,rw", "rbind,suid,dev,exec,atime", "rbind,ro", "rbind,rro,nosuid"] {
            apply(&[Mount::new("bind", "/").option(options)], "t").unwrap_or_else(|e| panic!("{options}: {e}"));
            unmount_all("t");
        }
        // What can't be had is an error, not dropped.
        let error = apply(&[Mount::new("bind", "/").option("rbind,rnoatime")], "t").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permission);
        assert!(error.hint().is_some_and(|hint| hint.contains("locked")));
    }

    /// Sub-targets are taken inside the target: absolute links, `..` and links to `/` clamp to it.
    fn targets_stay_inside() needs [] {
        mkdirs(scratch(), &["t", "outside"]);
        mkdirs("/tmp", &[]);
        fmountat::fmountat(CWD, "tmpfs", file("t"), "tmpfs", 0, "").unwrap();
        mkdirs(file("t"), &["real", "etc"]);
        symlink(file("outside"), file("t/absolute")).unwrap();
        symlink("/real", file("t/inside")).unwrap();
        symlink("../../../../..", file("t/up")).unwrap();
        symlink("/proc/self/root", file("t/magic")).unwrap();
        for (target, want) in [("inside", Some("t/real")), ("/inside/../etc", Some("t/etc")), ("up/real", Some("t/real")), ("../../../etc", Some("t/etc")), ("absolute", None), ("magic", None), ("nowhere", None)] {
            let done = apply(&[tmpfs().at(target).option("mode=0711")], "t");
            match want {
                Some(place) => {
                    done.unwrap_or_else(|e| panic!("{target}: {e}"));
                    assert_eq!(file(place).metadata().unwrap().permissions().mode() & 0o7777, 0o711, "{target}");
                    drop_in_one_step();
                }
                None => assert_eq!(done.unwrap_err().kind(), ErrorKind::NotFound, "{target}"),
            }
            assert_eq!(mounts_below(scratch()), [file("t").to_string_lossy()], "{target}");
        }
    }

    /// X-mount.mkdir makes directories for directories and a file for a file, with the mode asked for.
    fn mount_points_are_made_on_request() needs [] {
        mkdirs(scratch(), &["t", "dir"]);
        write(file("file"), "content");
        let set = [
            tmpfs(),
            bind("dir", "bind,X-mount.mkdir=0700").at("a/b/c"),
            bind("file", "bind,X-mount.mkdir").at("x/y/file"),
        ];
        apply(&set, "t").unwrap();
        assert_eq!(read(file("t/x/y/file")), "content");
        assert_eq!(file("t/a/b").metadata().unwrap().mode() & 0o777, 0o700);
        unmount_all("t");
        let error = apply(&[tmpfs(), bind("dir", "bind").at("a")], "t").unwrap_err();
        assert_eq!((error.kind(), error.step()), (ErrorKind::NotFound, "mount 2: resolve target"));
        assert!(error.hint().is_some_and(|hint| hint.contains("X-mount.mkdir")));
    }

    /// X-mount.subdir, owner, group and mode; nofail.
    fn words_of_the_engine() needs [] {
        mkdirs(scratch(), &["t", "s/inner/deep"]);
        write(file("s/inner/who"), "inner");
        let set = [
            tmpfs().option("X-mount.mode=2750,X-mount.owner=0,X-mount.group=0"),
            bind("missing", "bind,nofail").at("a"),
            bind("s", "bind,X-mount.subdir=inner,X-mount.mkdir,ro").at("b"),
        ];
        let target = Target::open(CWD, file("t")).unwrap();
        let built = Mounter::detached().build(CWD, &Plan::new(&set).unwrap(), &target).unwrap();
        assert_eq!(built.left_out, [2]);
        drop(built.attach(&target).unwrap());
        assert_eq!(file("t").metadata().unwrap().mode() & 0o7777, 0o2750);
        assert_eq!(read(file("t/b/who")), "inner");
        assert!(mount_flags(file("t/b")).starts_with("ro"));
        unmount_all("t");
    }

    /// When any one mount of a list fails, none is there, and the error names which.
    fn a_failed_list_leaves_nothing() needs [] {
        mkdirs(scratch(), &["t", "l"]);
        write(file("l/f"), "");
        for bad in [
            tmpfs().at("d1").option("nosuchword=1"),
            Mount::new("nosuchfs", "x").at("d1"),
            bind("missing", "bind").at("d1"),
            tmpfs().at("not/there"),
            bind("l/f", "bind").at("d1"),
            Mount::new("overlay", "x").at("d1").option("lowerdir=/nope:/nope2"),
        ] {
            for at in [2, 10] {
                let mut mounts = ten();
                mounts.insert(at, bad.clone());
                let error = apply(&mounts, "t").unwrap_err();
                assert!(error.step().starts_with(&format!("mount {}: ", at + 1)), "{error}");
                assert_eq!(mounts_below(file("t")), Vec::<String>::new(), "{error}");
            }
        }
    }

    /// Wrong lists are refused before any system call that mounts: the filter would turn each into EIO.
    fn bad_input_is_refused_before_any_change() needs [] {
        for call in [libc::SYS_fsopen, libc::SYS_open_tree, libc::SYS_move_mount, libc::SYS_mount, libc::SYS_fsconfig] {
            fmountat_testing::filter::errno_on(&[call], libc::EIO as u32);
        }
        let plan = |mount: Mount| Plan::new(&[tmpfs(), mount]).unwrap_err();
        for (mount, kind, argument) in [
            (bind("x", "bind,size=1"), ErrorKind::UnknownOption, "size"),
            (bind("x", "bind,sync"), ErrorKind::OptionConflict, "sync"),
            (tmpfs().option("remount"), ErrorKind::OptionConflict, "remount"),
            (tmpfs().option("X-containerd.x=1"), ErrorKind::UnknownOption, "X-containerd.x=1"),
            (tmpfs().option("tmpcopyup"), ErrorKind::Unsupported, "tmpcopyup"),
            (Mount::new("fuse.x", "x"), ErrorKind::Unsupported, "fuse.x"),
            (Mount::new("overlay", "x").option("upperdir=a,upperdir=b"), ErrorKind::OptionConflict, "upperdir"),
            (Mount::new("tmpfs", "a\0b"), ErrorKind::NulByte, "a\0b"),
        ] {
            let error = plan(mount);
            assert_eq!((error.kind(), error.argument().unwrap().to_str().unwrap()), (kind, argument), "{error}");
            assert!(error.step().starts_with("mount 2: "), "{error}");
        }
        assert_eq!(Plan::new(&[]).unwrap_err().kind(), ErrorKind::Spec);
        assert_eq!(plan(Mount::new("", "x")).kind(), ErrorKind::Spec);
    }

    /// A reader sees none of a set or all of it; the same reader does see sets that are mounted step by step half done.
    fn a_set_is_never_seen_half_done() needs [] {
        mkdirs(scratch(), &["t"]);
        let whole = half_seen(300, || {
            apply(&ten(), "t").unwrap();
            drop_in_one_step();
        });
        let stepwise = half_seen(300, || {
            fmountat::fmountat(CWD, "tmpfs", file("t"), "tmpfs", 0, "").unwrap();
            for n in 1..10 {
                let dir = file(&format!("t/d{n}"));
                std::fs::create_dir(&dir).unwrap();
                fmountat::fmountat(CWD, "tmpfs", &dir, "tmpfs", 0, "size=64k").unwrap();
            }
            drop_in_one_step();
        });
        println!("half-seen sets: {whole} of 300 published, {stepwise} sightings of 300 step by step");
        assert_eq!(whole, 0);
        assert!(stepwise > 0, "the reader is too slow to see anything");
    }

    /// An OCI list without a root goes into a private copy of the target: one unmount takes all of it back.
    fn a_set_without_a_root_goes_into_a_copy_of_the_target() needs [] {
        mkdirs(scratch(), &["rootfs/proc", "rootfs/dev", "rootfs/etc"]);
        write(file("rootfs/etc/who"), "the root");
        let config = br#"{"ociVersion": "1.2.0", "root": {"path": "rootfs"}, "mounts": [
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "X-mount.mkdir"]},
            {"destination": "/etc/../proc", "type": "bind", "source": "/proc", "options": ["rbind", "rro"]}]}"#;
        apply(&Mount::list_from_json(config).unwrap(), "rootfs").unwrap();
        assert_eq!(read(file("rootfs/etc/who")), "the root");
        assert!(mount_flags(file("rootfs/dev/shm")).contains("nosuid"));
        assert!(file("rootfs/proc/self").exists());
        drop_in_one_step_at("rootfs");
        assert_eq!(mounts_below(file("rootfs")), Vec::<String>::new());
        assert!(!file("rootfs/dev/shm").exists());
    }

    /// containerd's list: mounts without a target stack on it in order, the last is seen, sub-targets are in it.
    fn mounts_on_the_target_itself_stack() needs [] {
        mkdirs(scratch(), &["t", "a/sub", "b/sub"]);
        write(file("a/who"), "a");
        write(file("b/who"), "b");
        apply(&[bind("a", "rbind,ro"), bind("b", "rbind,ro"), tmpfs().at("sub")], "t").unwrap();
        assert_eq!(read(file("t/who")), "b");
        assert_eq!(mounts_below(file("t")).len(), 3);
        unmount_all("t");
    }

    /// A read-only view shows the upper's content and can't be written; the layers stay as they are.
    fn a_view_shows_the_upper_and_is_read_only() needs [] {
        mkdirs(scratch(), &["t", "l", "u", "w"]);
        write(file("u/who"), "upper");
        let options = format!("lowerdir={0}/l,upperdir={0}/u,workdir={0}/w,volatile", scratch().display());
        let mounts = [Mount::new("overlay", "overlay").option(options)];
        apply(&read_only_view(&mounts), "t").unwrap();
        assert_eq!(read(file("t/who")), "upper");
        assert!(std::fs::write(file("t/new"), "").is_err());
        unmount_all("t");
        assert_eq!(std::fs::read_dir(file("w")).unwrap().count(), 0);
    }

    /// Replacing: a reader of a file under the target never misses it.
    fn a_replaced_set_is_never_missed() needs [] {
        mkdirs(scratch(), &["t", "a", "b"]);
        write(file("a/who"), "a");
        write(file("b/who"), "b");
        apply(&[bind("a", "bind")], "t").unwrap();
        let stop = AtomicBool::new(false);
        let missed = std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut missed = 0;
                while !stop.load(Ordering::Relaxed) {
                    missed += usize::from(std::fs::read(file("t/who")).is_err());
                }
                missed
            });
            for round in 0..500 {
                let source = if round % 2 == 0 { "b" } else { "a" };
                let target = Target::open(CWD, file("t")).unwrap();
                let plan = Plan::new(&[bind(source, "bind")]).unwrap();
                Mounter::detached().build(CWD, &plan, &target).unwrap().replace(CWD, &target).unwrap();
            }
            stop.store(true, Ordering::Relaxed);
            reader.join().unwrap()
        });
        assert_eq!(missed, 0);
        assert_eq!(mounts_below(file("t")).len(), 1);
        let plan = Plan::new(&[bind("a", "bind")]).unwrap();
        let empty = Target::open(CWD, file("a")).unwrap();
        let error = Mounter::detached().build(CWD, &plan, &empty).unwrap().replace(CWD, &empty).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotMounted);
    }

    /// `remount` changes what was asked for and keeps the rest.
    fn remount_keeps_what_was_not_asked() needs [] {
        mkdirs(scratch(), &["t"]);
        apply(&[tmpfs().option("nosuid,noatime,size=64k")], "t").unwrap();
        let target = || Target::open(CWD, file("t")).unwrap();
        let change = |words: &str| remount(&target(), &Options::parse([words]).unwrap());
        change("remount,bind,ro,noexec").unwrap();
        assert_eq!(mount_flags(file("t")), "ro,nosuid,noexec,noatime");
        assert!(std::fs::write(file("t/x"), "").is_err());
        change("remount,rw,size=128k").unwrap();
        assert_eq!(mount_flags(file("t")), "rw,nosuid,noexec,noatime");
        std::fs::write(file("t/x"), vec![0u8; 100 * 1024]).unwrap();
        change("relatime,remount").unwrap();
        assert_eq!(mount_flags(file("t")), "rw,nosuid,noexec,relatime");
        assert_eq!(change("remount,bind,size=1").unwrap_err().kind(), ErrorKind::OptionConflict);
        assert_eq!(remount(&Target::open(CWD, "/proc/self").unwrap(), &Options::parse(["ro"]).unwrap()).unwrap_err().kind(), ErrorKind::NotMounted);
        unmount_all("t");
    }

    /// Propagation words; without one a bind is private, however shared its source is.
    fn propagation_words() needs [] {
        mkdirs(scratch(), &["s", "t"]);
        apply(&[tmpfs().option("shared")], "s").unwrap();
        let propagation = || {
            let table = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
            let line = table.lines().find(|l| l.contains(&format!("{} ", file("t").display()))).unwrap().to_owned();
            line.split(" - ").next().unwrap().split(' ').skip(6).map(|f| f.split(':').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        for (words, want) in [("rbind", &[][..]), ("rbind,rshared", &["shared"]), ("rbind,rslave", &["master"]), ("rbind,rslave,shared", &["shared", "master"]), ("rbind,unbindable", &["unbindable"]), ("rbind,rprivate", &[])] {
            apply(&[bind("s", words)], "t").unwrap();
            assert_eq!(propagation(), want, "{words}");
            unmount_all("t");
        }
    }

    /// What is mounted elsewhere while a set is being built never shows on the host, although the source is shared.
    fn building_is_not_seen_through_peers() needs [] {
        mkdirs(scratch(), &["s"]);
        apply(&[tmpfs().option("shared")], "s").unwrap();
        mkdirs(file("s"), &["sub", "t"]);
        let target = Target::open(CWD, file("s")).unwrap();
        let plan = Plan::new(&[tmpfs().at("sub")]).unwrap();
        let built = Mounter::detached().build(CWD, &plan, &target).unwrap();
        assert_eq!(mounts_below(file("s")).len(), 1);
        drop(built);
        assert_eq!(mounts_below(file("s")).len(), 1);
    }

    /// Kernels without the means say so before any change.
    fn missing_features_are_said() needs [] {
        mkdirs(scratch(), &["t"]);
        let target = Target::open(CWD, file("t")).unwrap();
        let mut features = Features::get();
        features.detached_children = false;
        let mounter = Mounter::with(features, None);
        let error = mounter.apply(CWD, &Plan::new(&ten()).unwrap(), &target).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        drop(mounter.apply(CWD, &Plan::new(&[tmpfs()]).unwrap(), &target).unwrap());
        unmount_all("t");
        features.new_mount_api = false;
        let error = Mounter::with(features, None).apply(CWD, &Plan::new(&[tmpfs()]).unwrap(), &target).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }

    /// A seccomp filter that answers ENOSYS is seen by the probe; mount(2) still mounts an overlay.
    fn a_filter_is_a_missing_feature() needs [] {
        mkdirs(scratch(), &["t", "l", "u", "w"]);
        fmountat_testing::filter::errno_on(&[libc::SYS_fsopen, libc::SYS_open_tree], libc::ENOSYS as u32);
        let features = Features::probe();
        assert!(!features.new_mount_api && features.openat2);
        let error = Mounter::with(features, None).overlay(CWD, &fmountat::Overlay::new().lower(file("l")).upper(file("u"), file("w")), file("t"));
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Unsupported);
        let dir = std::fs::File::open(scratch()).unwrap();
        let words = if is_real_root() { "" } else { ",userxattr" };
        PrivateCwd::child().mount(&dir, "overlay", "t", "overlay", 0, format!("lowerdir=l,upperdir=u,workdir=w{words}")).unwrap();
        unmount_all("t");
    }

    /// kill -9 at random moments of building and publishing: none of a set, or all of it.
    fn killed_at_any_moment_nothing_is_half_done() needs [] {
        mkdirs(scratch(), &["t"]);
        let program = std::env::current_exe().unwrap();
        let (mut whole, mut none) = (0, 0);
        for round in 0..200u64 {
            let mut child = std::process::Command::new(&program).arg(fmountat_testing::INSIDE).arg("apply_once").arg(scratch())
                .env("FMOUNTAT_KILLED", "1").stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
            std::thread::sleep(std::time::Duration::from_micros(round * 37 % 6000));
            child.kill().unwrap();
            child.wait().unwrap();
            match mounts_below(file("t")).len() {
                0 => none += 1,
                10 => { whole += 1; drop_in_one_step(); }
                half => panic!("{half} of 10 mounts are left"),
            }
        }
        println!("200 kills: {none} sets absent, {whole} whole");
    }

    /// The other half of the test above: one set, applied in this very namespace.
    fn apply_once() needs [] {
        if std::env::var_os("FMOUNTAT_KILLED").is_some() {
            apply(&ten(), "t").unwrap();
        }
    }

    /// Unmounting: stacks, trees, links, what is not mounted, what is busy.
    fn unmounting() needs [] {
        mkdirs(scratch(), &["t", "plain"]);
        symlink(file("t"), file("link")).unwrap();
        let kinds = |path: &str, unmount: Unmount| -> Vec<ErrorKind> {
            unmount.run(file(path)).err().unwrap_or_default().iter().map(Error::kind).collect()
        };
        let soon = Unmount::new().timeout(std::time::Duration::from_millis(60));
        apply(&ten(), "t").unwrap();
        assert_eq!(kinds("plain", soon), [ErrorKind::NotMounted]);
        assert_eq!(kinds("nowhere", soon), [ErrorKind::NotFound]);
        assert_eq!(kinds("link", soon), [ErrorKind::NotMounted]);
        assert_eq!(kinds("t", soon), [ErrorKind::Busy]);
        assert_eq!(mounts_below(file("t")).len(), 10);
        let held = std::fs::File::create(file("t/d3/held")).unwrap();
        assert_eq!(kinds("t", soon.recursive(true)), [ErrorKind::Busy, ErrorKind::Busy]);
        assert_eq!(mounts_below(file("t")).len(), 2);
        drop(held);
        apply(&[tmpfs()], "t").unwrap();
        assert_eq!(kinds("t", Unmount::new()), []);
        unmount_all("t");
    }
}

fn drop_in_one_step_at(target: &str) {
    Unmount::new().lazy(true).run(file(target)).unwrap();
}
