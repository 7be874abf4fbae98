// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests building sets of mounts: options take effect, targets remain inside the root, errors
//! precede changes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod flags;

use crate::common::{apply, bind, drop_in_one_step, file, ten, tmpfs, unmount_all};
use fmountat::kernel::Features;
use fmountat::strategy::Strategy;
use fmountat::{Create, ErrorKind, Mount, Mounter, Plan, Target, Unmount, read_only_view};
use fmountat_testing::{mkdirs, mount_flags, mounts_below, read, scratch, write};
use rustix::fs::CWD;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

fn drop_in_one_step_at(target: &str) {
    Unmount::new().lazy(true).run(file(target)).unwrap();
}

fmountat_testing::cases! {
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

    /// In a user namespace the kernel locks the flags of mounts from outside: a bind works and
    /// keeps them.
    fn locked_flags_stay_and_the_bind_works() needs [User] {
        mkdirs(scratch(), &["t"]);
        for options in ["rbind,rw", "rbind,suid,dev,exec,atime", "rbind,ro", "rbind,rro,nosuid"] {
            apply(&[Mount::new("bind", "/").option(options)], "t").unwrap_or_else(|e| panic!("{options}: {e}"));
            unmount_all("t");
        }
        // An option that the kernel locks is an error; it is not dropped silently.
        let error = apply(&[Mount::new("bind", "/").option("rbind,rnoatime")], "t").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked);
        assert!(error.reason().contains("access-time options"), "{error}");
    }

    /// Sub-targets are taken inside the target: absolute links, `..` and links to `/` clamp to it.
    fn targets_stay_inside() needs [] {
        mkdirs(scratch(), &["t", "outside"]);
        mkdirs("/tmp", &[]);
        fmountat::fmountat(CWD, "tmpfs", file("t"), "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
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

    /// X-mount.mkdir makes directories for directories and a file for a file, with the requested
    /// mode.
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
        assert_eq!((error.kind(), error.step().as_str()), (ErrorKind::NotFound, "mount 2: resolve target"));
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

    /// Invalid lists are refused before any system call that mounts: the filter would turn each
    /// into EIO.
    fn bad_input_is_refused_before_any_change() needs [] {
        for call in [libc::SYS_fsopen, libc::SYS_open_tree, libc::SYS_move_mount, libc::SYS_mount, libc::SYS_fsconfig] {
            fmountat_testing::filter::errno_on(&[call], libc::EIO as u32);
        }
        let plan = |mount: Mount| Plan::new(&[tmpfs(), mount]).unwrap_err();
        for (mount, kind, argument) in [
            (bind("x", "bind,size=1"), ErrorKind::UnknownOption, "size=1"),
            (bind("x", "bind,loop"), ErrorKind::OptionConflict, "loop"),
            (tmpfs().option("slave"), ErrorKind::OptionConflict, "slave"),
            (tmpfs().option("idmap"), ErrorKind::OptionConflict, "idmap"),
            (tmpfs().option("uidmap=0:-1:2"), ErrorKind::OptionValue, "uidmap=0:-1:2"),
            (bind("x", "bind,sync"), ErrorKind::OptionConflict, "sync"),
            (tmpfs().option("remount"), ErrorKind::OptionConflict, "remount"),
            (tmpfs().option("X-containerd.x=1"), ErrorKind::UnknownOption, "X-containerd.x=1"),
            (tmpfs().option("tmpcopyup"), ErrorKind::Unsupported, "tmpcopyup"),
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

    /// An OCI list without a root is built in a private copy of the target: one unmount removes all
    /// of it.
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

    /// containerd's list: mounts without a target stack in order, the last one is visible and holds
    /// the sub-targets.
    fn mounts_on_the_target_itself_stack() needs [] {
        mkdirs(scratch(), &["t", "a/sub", "b/sub"]);
        write(file("a/who"), "a");
        write(file("b/who"), "b");
        apply(&[bind("a", "rbind,ro"), bind("b", "rbind,ro"), tmpfs().at("sub")], "t").unwrap();
        assert_eq!(read(file("t/who")), "b");
        assert_eq!(mounts_below(file("t")).len(), 3);
        unmount_all("t");
    }

    /// A read-only view shows the upper's content and cannot be written; the layers are unchanged.
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

    /// Without the means to publish in one step the plan's strategy is step by step, which
    /// `--strict` refuses.
    fn missing_features_are_said() needs [Kernel(6, 15)] {
        let strategy = |change: fn(&mut Features), mounts: &[Mount]| {
            let mut features = Features::get();
            change(&mut features);
            let (mounter, plan) = (Mounter::with(features, None), Plan::new(mounts).unwrap());
            (mounter.strategy(&plan), mounter.need_one_step(&plan).map_err(|e| e.kind()))
        };
        let refused = Err(ErrorKind::Unsupported);
        assert_eq!(strategy(|_| (), &ten()), (Strategy::Detached, Ok(())));
        assert_eq!(strategy(|f| f.detached_children = false, &ten()), (Strategy::PrivateNamespace, Ok(())));
        assert_eq!(strategy(|f| (f.detached_children, f.private_namespace) = (false, false), &ten()), (Strategy::StepByStep, refused));
        assert_eq!(strategy(|f| f.detached_children = false, &[tmpfs()]), (Strategy::Detached, Ok(())));
    }

    /// Without its root there is nothing to mount the rest in; it never becomes the root itself.
    fn a_left_out_root_is_an_error() needs [] {
        mkdirs(scratch(), &["t"]);
        let error = apply(&[bind("missing", "bind,nofail"), tmpfs().at("/tmp")], "t").unwrap_err();
        assert_eq!((error.kind(), error.step().as_str()), (ErrorKind::NotFound, "mount 2: build the set"));
        // The error is the same step by step, where the target itself has a directory `tmp`.
        mkdirs(scratch(), &["t/tmp"]);
        let mut old = Features::get();
        (old.detached_children, old.private_namespace) = (false, false);
        let plan = Plan::new(&[bind("missing", "bind,nofail"), tmpfs().at("/tmp")]).unwrap();
        let error = Mounter::with(old, None).apply(CWD, &plan, &Target::open(CWD, file("t")).unwrap()).unwrap_err();
        assert_eq!((error.kind(), error.step().as_str()), (ErrorKind::NotFound, "mount 2: build the set"));
        assert_eq!(mounts_below(file("t")), Vec::<String>::new());
    }

    /// A mount whose target leads to the root of the set stacks on it, and later mounts are
    /// attached to the visible root.
    fn a_target_may_lead_to_the_root() needs [Kernel(6, 15)] {
        mkdirs(scratch(), &["t", "s/x", "l"]);
        symlink("/", file("s/link")).unwrap();
        write(file("l/who"), "seen");
        for target in ["..", "/x/..", "link", "link/link"] {
            let set = [bind("s", "bind"), tmpfs().at(target), bind("l", "bind,X-mount.mkdir").at("y")];
            apply(&set, "t").unwrap_or_else(|e| panic!("{target}: {e}"));
            assert_eq!(read(file("t/y/who")), "seen", "{target}");
            assert!(!file("s/y").exists(), "{target}");
            unmount_all("t");
        }
    }

    /// Unused new directories are removed with their target. Used and kept directories and files
    /// are not removed.
    fn what_was_made_goes_unless_it_is_used() needs [] {
        mkdirs(scratch(), &["old"]);
        let make = |path: &str, create| Target::create(CWD, file(path), create).unwrap();
        drop(make("old/a/b", Create::directory(0o755)));
        assert_eq!(std::fs::read_dir(file("old")).unwrap().count(), 0);
        drop(make("old/c/f", Create::file(0o755)));
        assert!(file("old/c/f").exists());
        let (used, written) = (make("d/e", Create::directory(0o755)), make("g/h", Create::file(0o755)));
        write(file("d/theirs"), "precious");
        write(file("g/h"), "precious");
        drop((used, written));
        assert!(!file("d/e").exists());
        assert_eq!(read(file("d/theirs")) + &read(file("g/h")), "preciousprecious");
        make("kept/f", Create::file(0o755)).keep();
        assert!(file("kept/f").exists());
    }

    /// Made with a mode and an owner, parents and files alike; what was there keeps its own.
    fn mount_points_are_made_for_their_owner() needs [Root] {
        mkdirs(scratch(), &["t", "s"]);
        write(file("s/f"), "");
        let stat = |path: &str| {
            let meta = file(path).metadata().unwrap();
            (meta.permissions().mode() & 0o7777, meta.uid(), meta.gid())
        };
        let set = [
            bind("t", "bind"),
            tmpfs().at("a/b").option("X-mount.mkdir=0700:5:6"),
            bind("s/f", "bind,X-mount.mkdir=0750:7:8").at("c/f"),
        ];
        apply(&set, "t").unwrap();
        unmount_all("t");
        assert_eq!((stat("t/a"), stat("t/a/b")), ((0o700, 5, 6), (0o700, 5, 6)));
        assert_eq!((stat("t/c"), stat("t/c/f")), ((0o750, 7, 8), (0o644, 7, 8)));
        apply(&[bind("t", "bind"), tmpfs().at("a/b/new").option("X-mount.mkdir=0711:9:9")], "t").unwrap();
        unmount_all("t");
        assert_eq!((stat("t/a/b"), stat("t/a/b/new")), ((0o700, 5, 6), (0o711, 9, 9)));
        // A file system that has no flags for rename(2).
        fmountat_testing::filter::errno_on(&[libc::SYS_renameat2], libc::EINVAL as u32);
        apply(&[bind("t", "bind"), tmpfs().at("a/b/new/er").option("X-mount.mkdir=0711:9:9")], "t").unwrap();
        unmount_all("t");
        let names = |path: &str| std::fs::read_dir(file(path)).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>();
        assert_eq!((stat("t/a/b/new/er"), names("t/a/b"), names("t/a/b/new")), ((0o711, 9, 9), vec!["new".into()], vec!["er".into()]));
    }

    /// Mode and owner are also set on the root of a bound file and of one that cannot be opened; a
    /// failure names the source.
    fn files_get_their_mode_and_owner() needs [Root] {
        mkdirs(scratch(), &["t"]);
        write(file("f"), "");
        rustix::fs::mknodat(CWD, file("fifo"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        write(file("t/f"), "");
        for source in ["f", "fifo"] {
            apply(&[bind(source, "bind,X-mount.mode=0640,X-mount.owner=5").at("f")], "t").unwrap();
            let meta = file(source).metadata().unwrap();
            assert_eq!((meta.permissions().mode() & 0o7777, meta.uid()), (0o640, 5));
            unmount_all("t/f");
            let error = apply(&[bind(source, "bind,ro,X-mount.mode=0600").at("f")], "t").unwrap_err();
            assert_eq!(error.argument(), Some(file(source).as_os_str()), "{error}");
        }
    }

    /// A mount that fails leaves no mount point behind that an earlier one would have had made.
    fn a_failed_list_makes_no_directories() needs [] {
        mkdirs(scratch(), &["t"]);
        let set = [tmpfs().at("/q/w/e").option("X-mount.mkdir"), bind("missing", "bind").at("a")];
        assert!(apply(&set, "t").is_err());
        assert_eq!(std::fs::read_dir(file("t")).unwrap().count(), 0);
    }
}
