// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The rows of table B about options, flags and id mappings: the results that each must show with
//! every strategy.

use crate::common::strategies::{Stage, tmpfs};
use fmountat::options::Options;
use fmountat::{ErrorKind, Mount, Plan, Target};
use fmountat_testing::{mkdirs, mount_flags, read, write};
use rustix::fs::CWD;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::sync::atomic::{AtomicBool, Ordering};

/// Options of exactly `length` bytes that end with the mode.
fn padded(length: usize) -> String {
    let (unit, end) = ("nr_inodes=1000,", "mode=0711");
    let units = (length - end.len()) / unit.len();
    let rest = length - end.len() - units * unit.len();
    let zeros = format!("nr_inodes={}1000,", "0".repeat(rest));
    let text = format!("{zeros}{}{end}", unit.repeat(units - 1));
    assert_eq!(text.len(), length);
    text
}

pub(crate) fn page_of_data(stage: &Stage) {
    mkdirs(&stage.dir, &["t"]);
    for length in [4095, 4096, 4097, 9000] {
        stage.apply(&[tmpfs().option(padded(length))], "t").unwrap();
        assert_eq!(stage.file("t").metadata().unwrap().permissions().mode() & 0o7777, 0o711, "{length}");
        stage.unmount("t");
    }
}

pub(crate) fn long_data(stage: &Stage) {
    let long = "x".repeat(200);
    let mut lowers = Vec::new();
    for n in 0..300 {
        write(stage.file(&format!("{long}/{n}/f{n}")), n.to_string());
        lowers.push(stage.text(&format!("{long}/{n}")));
    }
    mkdirs(&stage.dir, &["t"]);
    let overlay = Mount::new("overlay", "overlay").option(format!("lowerdir={}", lowers.join(":")));
    stage.apply(std::slice::from_ref(&overlay), "t").unwrap();
    assert_eq!((read(stage.file("t/f0")), read(stage.file("t/f299"))), ("0".into(), "299".into()));
    stage.unmount("t");
    // One path of many that nobody wrote: today's tools blame it.
    let missing = overlay.clone().option("lowerdir+=/nobody/wrote/this");
    let error = stage.apply(&[missing], "t").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LayerMissing);
    assert!(error.to_string().contains("layer 301 /nobody/wrote/this"), "{error}");
    let padded = (0..250).fold(overlay, |o, _| o.option("redirect_dir=nofollow"));
    stage.apply(&[padded], "t").unwrap();
}

pub(crate) fn bind_flags(stage: &Stage) {
    mkdirs(&stage.dir, &["s", "t"]);
    write(stage.file("s/program"), "#!/bin/sh\n");
    std::fs::set_permissions(stage.file("s/program"), PermissionsExt::from_mode(0o755)).unwrap();
    stage.apply(&[stage.bind("s", "bind,nosuid,nodev,noexec")], "t").unwrap();
    let flags = mount_flags(stage.file("t"));
    assert!(flags.starts_with("rw,nosuid,nodev,noexec"), "{flags}");
    let run = std::process::Command::new(stage.file("t/program")).status().unwrap_err();
    assert_eq!(run.raw_os_error(), Some(libc::EACCES));
    write(stage.file("t/new"), "");
}

pub(crate) fn recursive_read_only(stage: &Stage) {
    mkdirs(&stage.dir, &["s/sub", "t"]);
    stage.apply(&[tmpfs()], "s/sub").unwrap();
    for (options, below_is_ro, said) in [
        ("rbind,ro", false, "recursive bind, ro on the top mount only"),
        ("rbind,rro", true, "recursive bind\n"),
        ("rbind,ro=recursive", true, "recursive bind\n"),
    ] {
        let mount = stage.bind("s", options);
        assert!(Plan::new(std::slice::from_ref(&mount)).unwrap().to_string().contains(said));
        stage.apply(&[mount], "t").unwrap();
        assert!(std::fs::write(stage.file("t/f"), "").is_err(), "{options}");
        assert_eq!(std::fs::write(stage.file("t/sub/f"), "").is_err(), below_is_ro, "{options}");
        assert!(std::fs::write(stage.file("s/sub/f"), "").is_ok());
        stage.unmount("t");
    }
}

pub(crate) fn remount_read_only(stage: &Stage) {
    mkdirs(&stage.dir, &["s", "t", "b"]);
    stage.apply(&[tmpfs().option("nosuid,noatime,size=1m")], "t").unwrap();
    stage.apply(&[stage.bind("s", "bind")], "b").unwrap();
    let remount = |at: &str, words: &str| {
        let target = Target::open(CWD, stage.file(at)).unwrap();
        fmountat::remount(&target, &Options::parse([words]).unwrap())
    };
    remount("t", "remount,ro").unwrap();
    assert!(std::fs::write(stage.file("t/f"), "").is_err());
    assert_eq!(mount_flags(stage.file("t")), "ro,nosuid,noatime");
    remount("t", "remount,rw,noexec").unwrap();
    assert_eq!(mount_flags(stage.file("t")), "rw,nosuid,noexec,noatime");
    std::fs::write(stage.file("t/f"), "").unwrap();
    remount("b", "remount,bind,ro").unwrap();
    assert!(std::fs::write(stage.file("b/f"), "").is_err());
    std::fs::write(stage.file("s/f"), "").unwrap();
    let error = remount("s", "remount,ro").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotMounted);
}

/// Returns the optional fields of the mount at a path: its propagation.
fn propagation(stage: &Stage, at: &str) -> String {
    let table = read("/proc/thread-self/mountinfo");
    let line = table.lines().find(|line| line.split(' ').nth(4) == Some(&stage.text(at))).unwrap();
    let fields = line.split(' ').skip(6).take_while(|field| *field != "-");
    fields.map(|f| f.split(':').next().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
}

pub(crate) fn defaults_and_propagation(stage: &Stage) {
    mkdirs(&stage.dir, &["s", "t"]);
    for (options, seen) in [
        ("defaults", ""),
        ("defaults,shared", "shared"),
        ("rshared", "shared"),
        ("private", ""),
        ("unbindable", "unbindable"),
    ] {
        for mount in [tmpfs().option(options), stage.bind("s", "bind").option(options)] {
            stage.apply(std::slice::from_ref(&mount), "t").unwrap();
            assert_eq!(propagation(stage, "t"), seen, "{mount:?}");
            stage.unmount("t");
        }
    }
    stage.apply(&[tmpfs().option("shared")], "s").unwrap();
    stage.apply(&[stage.bind("s", "bind,slave")], "t").unwrap();
    assert_eq!(propagation(stage, "t"), "master");
}

const MAPS: [&str; 3] = ["uidmap=0:500:10,gidmap=0:600:10", "uidmap=0:500:10", "gidmap=0:600:10"];

pub(crate) fn read_only_idmap(stage: &Stage) {
    mkdirs(&stage.dir, &["t"]);
    write(stage.file("s/f"), "");
    chown(stage.file("s/f"), Some(1), Some(2)).unwrap();
    for (map, owner) in MAPS.into_iter().zip([(501, 602), (501, 2), (1, 602)]) {
        stage.apply(&[stage.bind("s", "bind,ro").option(map)], "t").unwrap();
        let meta = stage.file("t/f").metadata().unwrap();
        assert_eq!((meta.uid(), meta.gid()), owner, "{map}");
        assert!(std::fs::write(stage.file("t/f"), "").is_err());
        stage.unmount("t");
    }
}

fn mapped_overlay(stage: &Stage) -> Mount {
    mkdirs(&stage.dir, &["t", "u", "w"]);
    for n in 0..3 {
        write(stage.file(&format!("l/{n}/f{n}")), "");
    }
    let lowers = format!("lowerdir={}:{}:{}", stage.text("l/0"), stage.text("l/1"), stage.text("l/2"));
    let upper = format!("upperdir={},workdir={}", stage.text("u"), stage.text("w"));
    Mount::new("overlay", "overlay").option(lowers).option(upper).option(MAPS[0])
}

pub(crate) fn idmapped_twice(stage: &Stage) {
    let mount = mapped_overlay(stage);
    let given = mount.clone();
    for _ in 0..2 {
        stage.apply(std::slice::from_ref(&mount), "t").unwrap();
        assert_eq!(stage.file("t/f2").metadata().unwrap().uid(), 500);
        stage.unmount("t");
        assert_eq!(mount, given);
    }
}

pub(crate) fn no_temporary_mount(stage: &Stage) {
    let mount = mapped_overlay(stage);
    let stop = AtomicBool::new(false);
    let lines = || read("/proc/self/mountinfo").lines().count();
    let before = lines();
    let most = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut most = before;
            while !stop.load(Ordering::Relaxed) {
                most = most.max(lines());
            }
            most
        });
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..50 {
                stage.apply(std::slice::from_ref(&mount), "t").unwrap();
                stage.unmount("t");
            }
        }));
        stop.store(true, Ordering::Relaxed);
        let most = watcher.join().unwrap();
        done.map(|()| most).unwrap()
    });
    assert!(most <= before + 1, "{most} lines after {before}");
    assert_eq!(lines(), before);
}
