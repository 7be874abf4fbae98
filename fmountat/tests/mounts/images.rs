// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests file systems in image files: through a loop device, directly from the file, with further
//! images, and with a detected type.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::strategies::{Stage, both, tmpfs};
use fmountat::image::{LoopDevice, LoopOptions};
use fmountat::options::Options;
use fmountat::table::find;
use fmountat::{ErrorKind, Mount, Mounter, Plan, Target, Tree};
use fmountat_testing::{command_output, loop_devices, mkdirs, read, write};
use rustix::fs::{AtFlags, CWD};
use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// Creates a file with an ext4 image at `offset`.
fn ext4(stage: &Stage, name: &str, offset: u64) -> PathBuf {
    let path = stage.file(name);
    File::create(&path).unwrap().set_len(offset + (16 << 20)).unwrap();
    let at = format!("offset={offset}");
    command_output(Command::new("mkfs.ext4").args(["-q", "-E", &at]).arg(&path).arg("16M"));
    path
}

/// Creates a read-only image of a directory with one file.
fn packed(stage: &Stage, kind: &str, name: &str) -> PathBuf {
    let (source, path) = (stage.file(&format!("{name}.tree")), stage.file(name));
    write(source.join("who"), name);
    let mut command = match kind {
        "erofs" => Command::new("mkfs.erofs"),
        _ => Command::new("mksquashfs"),
    };
    match kind {
        "erofs" => command_output(command.arg("-Enoinline_data").arg(&path).arg(&source)),
        _ => command_output(command.arg(&source).arg(&path).args(["-noappend", "-quiet"])),
    };
    path
}

fn no_loops(stage: &Stage) {
    let end = Instant::now() + Duration::from_secs(1);
    while !loop_devices(&stage.dir).is_empty() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(loop_devices(&stage.dir), Vec::<String>::new());
}

/// Missing, read-only, writable, gone within a second of the unmount, also after a failure.
fn loop_mounts(stage: &Stage) {
    mkdirs(&stage.dir, &["t"]);
    let image = ext4(stage, "image", 0);
    let error = stage.apply(&[Mount::new("ext4", stage.file("missing")).option("loop")], "t").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    for (options, is_ro) in [("loop,ro", true), ("loop", false), ("defaults", false)] {
        let mount = Mount::new("ext4", &image).option(options);
        stage.apply(&[mount], "t").unwrap_or_else(|e| panic!("{options}: {e}"));
        let device = PathBuf::from(find(CWD, stage.file("t")).unwrap().source);
        let sys = PathBuf::from("/sys/block").join(device.file_name().unwrap());
        assert_eq!(read(sys.join("ro")).trim() == "1", is_ro, "{options}");
        assert_eq!(std::fs::write(stage.file("t/f"), "x").is_err(), is_ro, "{options}");
        stage.unmount("t");
        no_loops(stage);
    }
    let mkfs_garbage = File::options().write(true).open(&image).unwrap();
    mkfs_garbage.write_all_at(&[0; 4096], 0).unwrap();
    let error = stage.apply(&[Mount::new("ext4", &image).option("loop")], "t").unwrap_err();
    assert!(error.to_string().contains("no known file system found"), "{error}");
    no_loops(stage);
}

fn offset_and_options(stage: &Stage) {
    mkdirs(&stage.dir, &["t"]);
    let image = ext4(stage, "image", 1 << 20);
    for options in ["offset=1MiB", "loop,offset=1048576,sizelimit=16M", "offset=1M,direct-io,sector-size=512"]
    {
        let mount = Mount::new("ext4", &image).option(options);
        stage.apply(&[mount], "t").unwrap_or_else(|e| panic!("{options}: {e}"));
        write(stage.file("t/f"), options);
        stage.unmount("t");
        no_loops(stage);
    }
    let error = stage.apply(&[Mount::new("ext4", &image).option("offset=64M")], "t").unwrap_err();
    assert_eq!((error.kind(), error.step().as_str()), (ErrorKind::OptionValue, "open image"));
    let error = stage.apply(&[tmpfs().option("loop")], "t").unwrap_err();
    assert_eq!((error.kind(), error.step().as_str()), (ErrorKind::OptionConflict, "apply option loop to"));
}

/// erofs needs no loop device where its file can be read page by page; on a tmpfs it gets one.
fn erofs(stage: &Stage) {
    mkdirs(&stage.dir, &["t", "shm"]);
    let image = packed(stage, "erofs", "image");
    stage.apply(&[Mount::new("erofs", &image)], "t").unwrap();
    assert_eq!((read(stage.file("t/who")), loop_devices(&stage.dir).len()), ("image".into(), 0));
    stage.unmount("t");
    stage.apply(&[Mount::new("erofs", &image).option("loop")], "t").unwrap();
    assert_eq!((read(stage.file("t/who")), loop_devices(&stage.dir).len()), ("image".into(), 1));
    stage.unmount("t");
    no_loops(stage);
    stage.apply(&[tmpfs()], "shm").unwrap();
    std::fs::copy(&image, stage.file("shm/image")).unwrap();
    stage.apply(&[Mount::new("erofs", stage.file("shm/image"))], "t").unwrap();
    assert_eq!((read(stage.file("t/who")), loop_devices(&stage.dir).len()), ("image".into(), 1));
    stage.unmount("t");
    no_loops(stage);
    stage.unmount("shm");
}

/// Returns the super blocks of a type, by the names that sysfs has for them.
fn super_blocks(fstype: &str) -> HashSet<OsString> {
    let all = std::fs::read_dir(format!("/sys/fs/{fstype}")).unwrap();
    all.map(|entry| entry.unwrap().file_name()).collect()
}

/// An image in the detached tree that it is mounted in is found there, not another file of the same
/// path. Dropping the tree frees both, although each refers to the other.
fn in_its_own_tree(fstype: &str, options: &str) {
    let stage = Stage::new(&format!("{fstype}-{options}"), Mounter::detached());
    mkdirs(&stage.dir, &["t", "p"]);
    match fstype {
        "ext4" => ext4(&stage, "image", 0),
        _ => packed(&stage, fstype, "image"),
    };
    let tree = Tree::clone_of(CWD, &stage.dir, false).unwrap();
    let before = super_blocks(fstype);
    let plan = Plan::new(&[Mount::new(fstype, "image").option(options)]).unwrap();
    let target = Target::open(CWD, stage.file("t")).unwrap();
    tree.mount(stage.mounter.build(tree.root(), &plan, &target).unwrap().into(), "p").unwrap();
    let file = if fstype == "ext4" { "p/lost+found" } else { "p/who" };
    rustix::fs::statat(tree.root(), file, AtFlags::empty()).unwrap();
    let mut new: Vec<_> = super_blocks(fstype).difference(&before).cloned().collect();
    assert!(!new.is_empty());
    drop((tree, target));
    let end = Instant::now() + Duration::from_secs(5);
    while !new.is_empty() && Instant::now() < end {
        // Other cases have theirs: each is seen to go once.
        let there = super_blocks(fstype);
        new.retain(|name| there.contains(name));
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(new, Vec::<OsString>::new(), "left of {fstype} {options}");
}

/// A second image that holds the files' bytes, by a relative path; both images by loop devices too.
fn erofs_devices(stage: &Stage) {
    mkdirs(&stage.dir, &["t"]);
    let bytes = vec![b'y'; 100_000];
    write(stage.file("tree/big"), &bytes);
    let (image, blob) = (stage.file("image"), stage.file("blob"));
    let blob_option = format!("--blobdev={}", blob.display());
    command_output(
        Command::new("mkfs.erofs")
            .arg("--chunksize=4096")
            .arg(blob_option)
            .arg(&image)
            .arg(stage.file("tree")),
    );
    let dir = File::open(&stage.dir).unwrap();
    for (options, loops) in [("device=blob", 0), ("device=blob,loop", 2)] {
        let plan = fmountat::Plan::new(&[Mount::new("erofs", "image").option(options)]).unwrap();
        let target = fmountat::Target::open(&dir, "t").unwrap();
        stage.mounter.apply(&dir, &plan, &target).unwrap_or_else(|e| panic!("{options}: {e}"));
        drop(target);
        assert_eq!(std::fs::read(stage.file("t/big")).unwrap(), bytes);
        assert_eq!(loop_devices(&stage.dir).len(), loops, "{options}");
        stage.unmount("t");
        no_loops(stage);
    }
}

/// `auto`, and a name that is not what the image holds.
fn types(stage: &Stage) {
    mkdirs(&stage.dir, &["t", "directory"]);
    for (image, kind) in [
        (ext4(stage, "ext4", 0), "ext4"),
        (packed(stage, "erofs", "erofs"), "erofs"),
        (packed(stage, "squashfs", "squashfs"), "squashfs"),
    ] {
        stage.apply(&[Mount::new("auto", &image)], "t").unwrap_or_else(|e| panic!("{kind}: {e}"));
        assert_eq!(find(CWD, stage.file("t")).unwrap().fstype, kind);
        stage.unmount("t");
        no_loops(stage);
        let wrong = if kind == "ext4" { "squashfs" } else { "ext4" };
        let error = stage.apply(&[Mount::new(wrong, &image).option("ro")], "t").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongFilesystem, "{error}");
        assert!(error.reason().contains(&format!("contains {kind}, not {wrong}")), "{error}");
        no_loops(stage);
    }
    write(stage.file("text"), "no file system");
    for (source, kind) in [("text", ErrorKind::UnknownFilesystem), ("directory", ErrorKind::NotADevice)] {
        let error = stage.apply(&[Mount::new("auto", stage.file(source))], "t").unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    let error = stage.apply(&[Mount::new("ext4", stage.file("directory"))], "t").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotADevice, "{error}");
}

/// A list of types mounts the image with the type that the image has.
fn lists_of_types(stage: &Stage) {
    mkdirs(&stage.dir, &["t"]);
    let image = ext4(stage, "image", 0);
    stage.apply(&[Mount::new("xfs,ext4", &image)], "t").unwrap();
    stage.unmount("t");
    let error = stage.apply(&[Mount::new("xfs,erofs", &image)], "t").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongFilesystem, "{error}");
    no_loops(stage);
}

/// A write-protected device or file is an error that names it, unless `ro` was requested.
fn write_protected(stage: &Stage) {
    mkdirs(&stage.dir, &["t", "m"]);
    stage.apply(&[tmpfs()], "m").unwrap();
    let image = ext4(stage, "m/image", 0);
    let read_only = LoopOptions::default().read_only(true);
    let device = LoopDevice::attach(CWD, &image, &read_only).unwrap();
    let target = Target::open(CWD, stage.file("m")).unwrap();
    fmountat::remount(&target, &Options::parse(["remount,bind,ro"]).unwrap()).unwrap();
    drop(target);
    for source in [device.path(), &image] {
        let error = stage.apply(&[Mount::new("ext4", source)], "t").unwrap_err();
        assert_eq!(
            (error.kind(), error.argument()),
            (ErrorKind::ReadOnlyDevice, Some(source.as_os_str())),
            "{error}"
        );
        assert!(error.hint().unwrap().contains("`ro`"), "{error}");
        stage.apply(&[Mount::new("ext4", source).option("ro")], "t").unwrap();
        stage.unmount("t");
    }
    drop(device);
    no_loops(stage);
    stage.unmount("m");
}

/// The error of a mount that is refused for the one on `m`.
fn in_use(stage: &Stage, mount: Mount, reason: &str) {
    let image = stage.file("image");
    let error = stage.apply(&[mount], "t").unwrap_err();
    assert_eq!(
        (error.kind(), error.argument()),
        (ErrorKind::DeviceInUse, Some(image.as_os_str())),
        "{error}"
    );
    let place = stage.text("m");
    assert!(error.reason().contains(reason) && error.reason().contains(&place), "{reason}: {error}");
    assert!(error.hint().unwrap().contains(&place), "{error}");
}

/// The second mount of an image shares the file system of the first, whoever made it, or fails and
/// leaves the first one unchanged.
fn image_mounted_twice(stage: &Stage) {
    mkdirs(&stage.dir, &["m", "t", "t/a", "t/b"]);
    let image = ext4(stage, "image", 0);
    let ext4 = |options: &str| Mount::new("ext4", &image).option(options);
    let by_mount = |options: &str| {
        let target = stage.file("m");
        command_output(Command::new("mount").args(["-t", "ext4", "-o", options]).arg(&image).arg(&target));
    };
    let by_us = |options: &str| drop(stage.apply(&[ext4(options)], "m").unwrap());
    for first in [&by_us as &dyn Fn(&str), &by_mount] {
        first("loop");
        stage.apply(&[ext4("loop")], "t").unwrap();
        for (here, there) in [("m", "t"), ("t", "m")] {
            write(stage.file(&format!("{here}/from-{here}")), here);
            assert_eq!(read(stage.file(&format!("{there}/from-{here}"))), here);
        }
        stage.unmount("t");
        in_use(stage, ext4("loop,ro"), "writable as ext4 on");
        in_use(stage, Mount::new("xfs", &image).option("loop"), "writable as ext4 on");
        in_use(stage, ext4("loop,offset=1M"), "from byte 0 to the end");
        in_use(stage, ext4("loop,ro,sizelimit=8M"), "from byte 0 to the end");
        write(stage.file("m/still"), "writable");
        stage.unmount("m");
        no_loops(stage);

        first("loop,ro");
        stage.apply(&[ext4("loop,ro")], "t").unwrap();
        let device = |target: &str| find(CWD, stage.file(target)).unwrap().device;
        assert_eq!(device("m"), device("t"));
        stage.unmount("t");
        in_use(stage, ext4("loop"), "attached read-only to");
        stage.unmount("m");
        no_loops(stage);
    }
    let list = [tmpfs(), ext4("loop,X-mount.mkdir").at("a"), ext4("loop,X-mount.mkdir").at("b")];
    stage.apply(&list, "t").unwrap();
    write(stage.file("t/a/f"), "one");
    assert_eq!(read(stage.file("t/b/f")), "one");
    stage.unmount("t");
    no_loops(stage);
    let list = [tmpfs(), ext4("loop,X-mount.mkdir").at("a"), ext4("loop,ro,X-mount.mkdir").at("b")];
    let error = stage.apply(&list, "t").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeviceInUse, "{error}");
    no_loops(stage);

    let name = command_output(Command::new("losetup").args(["--find", "--show"]).arg(&image));
    for options in ["loop", "loop,ro"] {
        stage.apply(&[ext4(options)], "t").unwrap();
        assert_eq!(find(CWD, stage.file("t")).unwrap().source, *name.trim(), "{options}");
        stage.unmount("t");
    }
    command_output(Command::new("losetup").args(["--detach", name.trim()]));
    no_loops(stage);
}

/// File systems that never write have a device each, with options of their own.
fn read_only_type_twice(stage: &Stage) {
    mkdirs(&stage.dir, &["m", "t"]);
    let image = packed(stage, "squashfs", "image");
    for target in ["m", "t"] {
        stage.apply(&[Mount::new("squashfs", &image).option("loop")], target).unwrap();
        assert_eq!(read(stage.file(target).join("who")), "image");
    }
    assert_eq!(loop_devices(&stage.dir).len(), 2);
    stage.unmount("t");
    stage.unmount("m");
    no_loops(stage);
}

/// An error about a new file system names its source.
fn failures_name_the_source(stage: &Stage) {
    mkdirs(&stage.dir, &["t"]);
    let image = ext4(stage, "image", 0);
    for options in ["sector-size=4096", "sizelimit=4096"] {
        let error = stage.apply(&[Mount::new("ext4", &image).option(options)], "t").unwrap_err();
        assert_eq!(error.argument(), Some(image.as_os_str()), "{options}: {error}");
        assert!(error.step().ends_with(" ext4 on") && error.hint().is_some(), "{options}: {error}");
        no_loops(stage);
    }
}

fmountat_testing::cases! {
    fn a_loop_device_for_a_mount() needs [Root, Tool("mkfs.ext4"), Filesystem("ext4")] { both(loop_mounts) }
    fn an_image_mounted_twice() needs [
        Root, Tool("mkfs.ext4"), Tool("mount"), Tool("losetup"), Filesystem("ext4"), Filesystem("xfs")
    ] { both(image_mounted_twice) }
    fn a_read_only_image_mounted_twice() needs [Root, Tool("mksquashfs"), Filesystem("squashfs")] { both(read_only_type_twice) }
    fn offsets_and_what_implies_loop() needs [Root, Tool("mkfs.ext4"), Filesystem("ext4")] { both(offset_and_options) }
    fn erofs_straight_from_the_file() needs [Kernel(6, 12), Root, Tool("mkfs.erofs"), Filesystem("erofs")] { both(erofs) }
    fn an_image_in_the_tree_that_it_is_mounted_in() needs [
        Kernel(6, 15), Root, Tool("mkfs.ext4"), Tool("mkfs.erofs"), Filesystem("ext4"), Filesystem("erofs")
    ] {
        for (fstype, options) in [("ext4", "loop"), ("erofs", "ro"), ("erofs", "loop")] {
            in_its_own_tree(fstype, options);
        }
    }
    fn erofs_with_further_images() needs [Kernel(6, 12), Root, Tool("mkfs.erofs"), Filesystem("erofs")] { both(erofs_devices) }
    fn one_of_several_types() needs [Root, Tool("mkfs.ext4"), Filesystem("ext4")] { both(lists_of_types) }
    fn what_cannot_be_written_to() needs [Root, Tool("mkfs.ext4"), Filesystem("ext4")] { both(write_protected) }
    fn what_fails_is_named() needs [Root, Tool("mkfs.ext4"), Filesystem("ext4")] { both(failures_name_the_source) }
    fn the_type_is_found_out() needs [
        Root, Tool("mkfs.ext4"), Tool("mkfs.erofs"), Tool("mksquashfs"), Filesystem("ext4"), Filesystem("erofs"), Filesystem("squashfs"),
    ] { both(types) }
}
