// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sets as they change and go: replaced, remounted, unmounted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::{apply, bind, file, ten, tmpfs, unmount_all};
use fmountat::options::Options;
use fmountat::{Compat, Error, ErrorKind, Mount, Mounter, Plan, Spec, Target, Unmount, remount};
use fmountat_testing::{command_output, mkdirs, mount_flags, mount_table, mounts_below, scratch, write};
use rustix::fs::CWD;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

fmountat_testing::cases! {
    /// The time that a plan takes grows with the mounts, not with their square.
    fn a_long_list_is_planned_at_once() needs [] {
        let mounts: Vec<Mount> = (0..20_000).map(|n| tmpfs().at(format!("{n}")).option("X-mount.mkdir")).collect();
        let start = std::time::Instant::now();
        assert_eq!(Plan::new(&mounts).unwrap().len(), mounts.len());
        assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    }

    /// Replacing: a reader of a file under the target never misses it.
    fn a_replaced_set_is_never_missed() needs [Kernel(6, 5)] {
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
                Mounter::detached().build(CWD, &plan, &target).unwrap().replace(&target).unwrap();
            }
            stop.store(true, Ordering::Relaxed);
            reader.join().unwrap()
        });
        assert_eq!(missed, 0);
        assert_eq!(mounts_below(file("t")).len(), 1);
        let plan = Plan::new(&[bind("a", "bind")]).unwrap();
        let empty = Target::open(CWD, file("a")).unwrap();
        let error = Mounter::detached().build(CWD, &plan, &empty).unwrap().replace(&empty).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotMounted);
    }

    /// devpts starts from its defaults at each change: what is not named is handed back.
    fn remount_keeps_the_options_of_devpts() needs [Root] {
        mkdirs(scratch(), &["t"]);
        let options = "newinstance,gid=5,mode=620,ptmxmode=666";
        apply(&[Mount::new("devpts", "devpts").option(options)], "t").unwrap();
        for (words, mode) in [("remount,ro", "mode=620"), ("remount,rw", "mode=620"), ("remount,mode=600", "mode=600")] {
            remount(&Target::open(CWD, file("t")).unwrap(), &Options::parse([words]).unwrap()).unwrap();
            let shown = mount_table().into_iter().find(|line| line.point == file("t")).unwrap().superblock;
            for kept in ["gid=5", "ptmxmode=666", mode] {
                assert!(shown.split(',').any(|option| option == kept), "{words}: {shown} has no {kept}");
            }
        }
        unmount_all("t");
    }

    /// What mount(8) accepts or ignores: names of owners, a path with a plain comma, `rw` of a
    /// read-only type.
    fn options_as_mount_8_has_them() needs [] {
        let root = Options::parse(["X-mount.owner=root,X-mount.group=root"]).unwrap();
        assert_eq!(root.owner, (Some(0), Some(0)));
        let error = Options::parse(["X-mount.owner=nobody-has-this-name"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OptionValue, "{error}");
        let comma = [Mount::new("overlay", "x").option("lowerdir=/lo,/w:/b")];
        let error = Plan::new(&comma).unwrap_err();
        assert!(error.kind() == ErrorKind::UnknownOption && error.hint().unwrap().contains(r"\,"), "{error}");
        for fstype in ["squashfs", "erofs"] {
            let error = Plan::new([Mount::new(fstype, "x").option("rw")]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::OptionConflict, "{error}");
            let spec = Spec::new([Mount::new(fstype, "x").option("rw")]).compat(Compat::Containerd);
            assert_eq!(Plan::new(spec).unwrap().ignored(), [(1, "rw".into())]);
        }
    }

    /// `no` in front of a list of types negates all of it.
    fn a_list_of_types_is_negated_as_a_whole() needs [Root, Tool("mkfs.ext4"), Filesystem("ext4")] {
        mkdirs(scratch(), &["t"]);
        std::fs::File::create(file("image")).unwrap().set_len(4 << 20).unwrap();
        let made = std::process::Command::new("mkfs.ext4").arg("-q").arg(file("image")).status().unwrap();
        assert!(made.success());
        let mount = |types: &str| apply(&[Mount::new(types, file("image")).option("loop")], "t").map(drop);
        for (types, mounts) in [("noxfs", true), ("nofoo,bar", true), ("noxfs,ext4", false), ("xfs,ext4", true)] {
            assert_eq!(mount(types).is_ok(), mounts, "{types}");
            if mounts {
                unmount_all("t");
            }
        }
    }

    /// A set without a root on `/` would be in a copy that nobody sees.
    fn a_set_without_a_root_is_refused_on_slash() needs [] {
        let plan = Plan::new([tmpfs().at("mnt"), tmpfs().at("srv")]).unwrap();
        let (mounter, root) = (Mounter::detached(), Target::open(CWD, "/").unwrap());
        let error = mounter.apply(CWD, &plan, &root).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        let explained = mounter.explain(CWD, &plan, &root);
        assert_eq!(explained.error().map(ToString::to_string), Some(error.to_string()));
    }

    /// ext4, xfs and btrfs take a missing `ro` for `rw`.
    fn remount_keeps_a_superblock_read_only() needs [Root, Tool("mkfs.ext4"), Tool("mkfs.xfs"), Tool("mkfs.btrfs")] {
        mkdirs(scratch(), &["t"]);
        let change = |words: &str| remount(&Target::open(CWD, file("t")).unwrap(), &Options::parse([words]).unwrap());
        for (fstype, size, option) in [("ext4", 4, "commit=9"), ("xfs", 400, "inode64"), ("btrfs", 128, "compress=zstd")] {
            let image = file(fstype);
            std::fs::File::create(&image).unwrap().set_len(size << 20).unwrap();
            command_output(std::process::Command::new(format!("mkfs.{fstype}")).arg("-q").arg(&image));
            for before in ["ro", "rw"] {
                apply(&[Mount::new(fstype, &image).option(before)], "t").unwrap();
                if before == "rw" {
                    change("remount,ro").unwrap();
                }
                change(&format!("remount,{option}")).unwrap();
                let superblock = mount_table().into_iter().rfind(|line| line.point == file("t")).unwrap().superblock;
                assert!(superblock.starts_with("ro,"), "{fstype} {before}: {superblock}");
                if before == "rw" {
                    change(&format!("remount,rw,{option}")).unwrap();
                    let superblock = mount_table().into_iter().rfind(|line| line.point == file("t")).unwrap().superblock;
                    assert!(superblock.starts_with("rw,"), "{fstype}: {superblock}");
                }
                unmount_all("t");
            }
        }
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

    /// A mount made below a shared source while the set is being built does not appear on the host.
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

    /// Unmounting: stacks, trees, links, what is not mounted, what is busy.
    fn unmounting() needs [] {
        mkdirs(scratch(), &["t", "plain"]);
        symlink(file("t"), file("link")).unwrap();
        let kinds = |path: &str, unmount: Unmount| -> Vec<ErrorKind> {
            unmount.run(file(path)).err().iter().flat_map(|errors| errors.iter()).map(Error::kind).collect()
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
        apply(&[tmpfs()], "t").unwrap();
        assert_eq!(kinds("t", Unmount::new().recursive(true).lazy(true)), []);
        assert_eq!(mounts_below(file("t")).len(), 0);
        apply(&[tmpfs()], "t").unwrap();
        unmount_all("t");
    }
}
