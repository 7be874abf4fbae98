// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests options that the kernel takes and that have no effect: they are errors, or ignored and
//! listed.

use crate::common::file;
use fmountat::overlay::Overlay;
use fmountat::{Compat, Error, ErrorKind, Mount, Mounter, Plan, Spec, Target, Unmount};
use fmountat_testing::{command_output, mkdirs, mount_table, mounts_below, scratch, write};
use rustix::fs::CWD;
use std::ffi::OsStr;

/// Applies and explains one mount; both must come to the same result.
fn mount(mount: &Mount, compat: Compat) -> Result<Plan, Error> {
    let plan = Plan::new(Spec::new([mount.clone()]).compat(compat))?;
    let target = Target::open(CWD, file("t"))?;
    let mounter = Mounter::detached();
    let explained = mounter.explain(CWD, &plan, &target).error().map(ToString::to_string);
    let applied = mounter.apply(CWD, &plan, &target);
    assert_eq!(explained, applied.as_ref().err().map(ToString::to_string), "{mount:?}");
    applied.map(|_| plan)
}

/// The superblock's options of the mount on `t`, which is then unmounted.
fn superblock() -> String {
    let shown = mount_table().into_iter().rfind(|line| line.point == file("t")).unwrap().superblock;
    Unmount::new().run(file("t")).unwrap();
    shown
}

fn layers() -> String {
    mkdirs(scratch(), &["t", "l1", "l2", "u", "w"]);
    format!("lowerdir={}:{}", file("l1").display(), file("l2").display())
}

fmountat_testing::cases! {
    fn overlay_options_without_an_upper() needs [Root, Filesystem("overlay"), Kernel(6, 7)] {
        let lowers = layers();
        let upper = format!(",upperdir={},workdir={}", file("u").display(), file("w").display());
        let overlay = |options: &str| Mount::new("overlay", "overlay").option(format!("{lowers},{options}"));
        for option in ["volatile", "index=on", "uuid=on", "nfs_export=on", "nfs_export=on,redirect_dir=off"] {
            let error = mount(&overlay(option), Compat::Strict).unwrap_err();
            let named = option.split(',').next().unwrap();
            assert_eq!((error.kind(), error.argument()), (ErrorKind::OptionConflict, Some(OsStr::new(named))), "{error}");
            for compat in [Compat::Containerd, Compat::Oci] {
                let plan = mount(&overlay(option), compat).unwrap();
                assert_eq!(plan.ignored(), [(1, named.into())]);
                superblock();
            }
        }
        // The same options where they have an effect, and values that ask for nothing.
        for (options, shown) in [
            (format!("volatile{upper}"), "fsync=volatile"),
            (format!("index=on{upper}"), "index=on"),
            (format!("nfs_export=on,index=on{upper}"), "nfs_export=on"),
            ("nfs_export=on,redirect_dir=nofollow".into(), "nfs_export=on"),
            ("index=off,nfs_export=off,uuid=auto".into(), "ro"),
        ] {
            mount(&overlay(&options), Compat::Strict).unwrap();
            let superblock = superblock();
            // Before Linux 6.11 it is `volatile`.
            assert!(superblock.contains(shown) || shown == "fsync=volatile" && superblock.contains("volatile"), "{options}: {superblock}");
            ["u", "w"].iter().for_each(|dir| {
                std::fs::remove_dir_all(file(dir)).unwrap();
                std::fs::create_dir(file(dir)).unwrap();
            });
        }
        let direct = Overlay::new().lower(file("l1")).lower(file("l2")).flag("volatile");
        assert_eq!(Mounter::detached().overlay(CWD, &direct, file("t")).unwrap_err().kind(), ErrorKind::OptionConflict);
        assert_eq!(mounts_below(file("t")), Vec::<String>::new());
    }

    /// Also where the type is detected.
    fn writable_images_of_read_only_types() needs [Root, Tool("mksquashfs"), Tool("mkfs.erofs")] {
        mkdirs(scratch(), &["t", "tree"]);
        write(file("tree/file"), "file");
        command_output(std::process::Command::new("mksquashfs").arg(file("tree")).arg(file("squashfs")).arg("-quiet"));
        command_output(std::process::Command::new("mkfs.erofs").arg(file("erofs")).arg(file("tree")));
        for image in ["squashfs", "erofs"] {
            for fstype in [image, "auto", "ext4,squashfs,erofs", "noext4"] {
                let writable = |options: &str| Mount::new(fstype, file(image)).option(options);
                let error = mount(&writable("rw"), Compat::Strict).unwrap_err();
                assert_eq!((error.kind(), error.argument()), (ErrorKind::OptionConflict, Some(OsStr::new("rw"))), "{fstype}: {error}");
                mount(&writable("rw"), Compat::Containerd).unwrap();
                assert!(superblock().starts_with("ro"));
                mount(&writable("ro"), Compat::Strict).unwrap();
                assert!(superblock().starts_with("ro"));
            }
        }
    }
}
