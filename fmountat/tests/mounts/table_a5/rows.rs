// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The rows of table A5: what each must show, however it is built.

use crate::common::strategies::{Stage, tmpfs};
use fmountat::call::PrivateCwd;
use fmountat::image::{LoopDevice, LoopOptions};
use fmountat::options::Options;
use fmountat::overlay::common_directory;
use fmountat::table::find;
use fmountat::temp::TempMount;
use fmountat::{ErrorKind, Mount, Plan, Target, Unmount};
use fmountat_testing::{mkdirs, read, write};
use rustix::fs::{CWD, StatVfsMountFlags, statvfs};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) fn common_prefix() {
    for (paths, common) in [
        (&[][..], None),
        (&["foo"], Some("foo")),
        (&["foo", "bar"], Some("")),
        (&["foo", "foo"], Some("foo")),
        (&["foo", "foobar"], Some("")),
        (&["/s/79/fs", "/s/78/fs", "/s/7/fs"], Some("/s")),
        (&["/a", "b"], None),
        (&["/a/../b", "/a"], None),
    ] {
        let got = common_directory(paths.iter().map(Path::new));
        assert_eq!(got.as_deref(), common.map(Path::new), "{paths:?}");
    }
}

/// Returns the layers as one overlay sees them, topmost first.
fn overlay(stage: &Stage, layers: &[&str]) -> Mount {
    let paths: Vec<String> = layers.iter().map(|layer| stage.text(layer)).collect();
    Mount::new("overlay", "overlay").option(format!("lowerdir={}", paths.join(":")))
}

pub(crate) fn compaction(stage: &Stage) {
    let common = |paths: [&str; 2]| common_directory(paths.map(Path::new));
    assert_eq!(common(["/snapshots/1/fs", "/snapshots/10/fs"]).as_deref(), Some(Path::new("/snapshots")));
    mkdirs(&stage.dir, &["t"]);
    write(stage.file("snapshots/1/fs/one"), "1");
    write(stage.file("snapshots/10/fs/ten"), "10");
    stage.apply(&[overlay(stage, &["snapshots/1/fs", "snapshots/10/fs"])], "t").unwrap();
    assert_eq!((read(stage.file("t/one")), read(stage.file("t/ten"))), ("1".into(), "10".into()));
    // Layers with no common directory but `/`, and relative layers, are passed unchanged.
    assert_eq!(common(["/a", "/b"]).as_deref(), Some(Path::new("/")));
    stage.unmount("t");
    let dir = File::open(&stage.dir).unwrap();
    let relative = Mount::new("overlay", "overlay").option("lowerdir=snapshots/1/fs:./snapshots/10/fs");
    let target = Target::open(&dir, "t").unwrap();
    stage.mounter.apply(&dir, &Plan::new(&[relative]).unwrap(), &target).unwrap();
    assert_eq!(read(stage.file("t/ten")), "10");
}

pub(crate) fn file_bind(stage: &Stage) {
    write(stage.file("dir1/foo"), "content");
    write(stage.file("dir2/bar"), "");
    let (dir2, cwd) = (File::open(stage.file("dir2")).unwrap(), std::env::current_dir().unwrap());
    let source = stage.file("dir1/foo");
    PrivateCwd::child().mount(&dir2, &source, "bar", "", fmountat::MountFlags::BIND, "").unwrap();
    assert_eq!(read(stage.file("dir2/bar")), "content");
    Unmount::new().run(stage.file("dir2/bar")).unwrap();
    let plan = Plan::new(&[Mount::new("bind", &source)]).unwrap();
    stage.mounter.apply(&dir2, &plan, &Target::open(&dir2, "bar").unwrap()).unwrap();
    assert_eq!((read(stage.file("dir2/bar")), std::env::current_dir().unwrap()), ("content".into(), cwd));
}

pub(crate) fn dirfd_of_file(stage: &Stage) {
    mkdirs(&stage.dir, &["t", "s"]);
    write(stage.file("file"), "");
    let file = File::open(stage.file("file")).unwrap();
    let error = PrivateCwd::child().mount(&file, "s", "t", "", fmountat::MountFlags::BIND, "").unwrap_err();
    assert_eq!((error.errno(), error.step().as_str()), (libc::ENOTDIR, "fchdir"));
    let target = Target::open(CWD, stage.file("t")).unwrap();
    let error =
        stage.mounter.apply(&file, &Plan::new(&[Mount::new("bind", "s")]).unwrap(), &target).unwrap_err();
    assert_eq!((error.errno(), error.kind()), (libc::ENOTDIR, ErrorKind::NotADirectory));
}

pub(crate) fn nested_binds(stage: &Stage) {
    mkdirs(&stage.dir, &["s/foo", "s2", "t"]);
    write(stage.file("s2/inner"), "x");
    let set = [stage.bind("s", "rbind,ro"), stage.bind("s2", "rbind,ro").at("foo")];
    for recursive in [false, true] {
        stage.apply(&set, "t").unwrap();
        assert_eq!((read(stage.file("t/foo/inner")), stage.mounts().len()), ("x".into(), 2));
        assert!(std::fs::write(stage.file("t/foo/inner"), "").is_err());
        if recursive {
            Unmount::new().recursive(true).run(stage.file("t")).unwrap();
        } else {
            for path in ["t/foo", "t"] {
                Unmount::new().run(stage.file(path)).unwrap();
            }
        }
        assert_eq!(stage.mounts(), Vec::<String>::new());
    }
    assert_eq!(read(stage.file("s2/inner")), "x");
}

const MAP: &str = "uidmap=0:7000:100,gidmap=0:8000:100";

/// `count` lowers with a file each, and the overlay of them with an upper, mapped.
fn mapped(stage: &Stage, count: usize) -> Mount {
    mkdirs(&stage.dir, &["t", "u", "w"]);
    let layers: Vec<String> = (0..count).map(|n| format!("l/{n}")).collect();
    for (n, layer) in layers.iter().enumerate() {
        let path = stage.file(&format!("{layer}/f{n}"));
        write(&path, n.to_string());
        chown(path, Some(n as u32), Some(n as u32)).unwrap();
    }
    let names: Vec<&str> = layers.iter().map(String::as_str).collect();
    let upper = format!("upperdir={},workdir={}", stage.text("u"), stage.text("w"));
    overlay(stage, &names).option(upper).option(MAP)
}

pub(crate) fn idmapped_overlays(stage: &Stage) {
    for count in [1, 2, 5, 40] {
        let mount = mapped(stage, count);
        stage.apply(&[mount], "t").unwrap();
        for n in 0..count {
            let (path, id) = (stage.file(&format!("t/f{n}")), n as u32);
            let meta = path.metadata().unwrap();
            assert_eq!((read(&path), meta.uid(), meta.gid()), (n.to_string(), 7000 + id, 8000 + id));
            let on_disk = stage.file(&format!("l/{n}/f{n}")).metadata().unwrap();
            assert_eq!((on_disk.uid(), on_disk.gid()), (id, id));
        }
        stage.unmount("t");
    }
}

pub(crate) fn open_in_temp(stage: &Stage) {
    let mount = mapped(stage, 2);
    let done = TempMount::new().with(&stage.mounter, CWD, &[mount], |root| {
        Ok::<_, String>(File::open(root.path().join("f1")).unwrap())
    });
    let held = done.unwrap();
    assert_eq!((held.metadata().unwrap().uid(), stage.mounts()), (7001, Vec::new()));
    assert_eq!(std::io::read_to_string(held).unwrap(), "1");
    assert_eq!((read(stage.file("l/0/f0")), read(stage.file("l/1/f1"))), ("0".into(), "1".into()));
}

pub(crate) fn statfs_flags(stage: &Stage) {
    mkdirs(&stage.dir, &["t"]);
    stage.apply(&[tmpfs().option("noexec,noatime,nodiratime")], "t").unwrap();
    let flags = statvfs(stage.file("t")).unwrap().f_flag;
    let want = StatVfsMountFlags::NOEXEC | StatVfsMountFlags::NOATIME | StatVfsMountFlags::NODIRATIME;
    let known = want
        | StatVfsMountFlags::RDONLY
        | StatVfsMountFlags::NOSUID
        | StatVfsMountFlags::NODEV
        | StatVfsMountFlags::SYNCHRONOUS
        | StatVfsMountFlags::RELATIME;
    assert_eq!(flags & known, want, "{flags:?}");
}

pub(crate) fn lookup(stage: &Stage) {
    mkdirs(&stage.dir, &["ext4", "xfs", "overlay", "bind", "l"]);
    write(stage.file("file"), "");
    for (kind, size) in [("ext4", 16 << 20), ("xfs", 400 << 20)] {
        let image = stage.file(&format!("{kind}.image"));
        File::create(&image).unwrap().set_len(size).unwrap();
        let mut mkfs = Command::new(format!("mkfs.{kind}"));
        fmountat_testing::command_output(mkfs.arg("-q").arg(&image));
        stage.apply(&[Mount::new(kind, &image).option("loop")], kind).unwrap();
        mkdirs(stage.file(kind), &["sub"]);
        write(stage.file(kind).join("sub/f"), "");
    }
    stage.apply(&[overlay(stage, &["ext4/sub", "l"])], "overlay").unwrap();
    stage.apply(&[stage.bind("overlay", "bind")], "bind").unwrap();
    stage.apply(&[stage.bind("ext4/sub/f", "bind")], "file").unwrap();
    for (path, fstype, at) in [
        ("ext4", "ext4", "ext4"),
        ("ext4/sub", "ext4", "ext4"),
        ("ext4/sub/f", "ext4", "ext4"),
        ("xfs/sub/f", "xfs", "xfs"),
        ("overlay/f", "overlay", "overlay"),
        ("bind", "overlay", "bind"),
        ("bind/f", "overlay", "bind"),
        ("file", "ext4", "file"),
    ] {
        let found = find(CWD, stage.file(path)).unwrap();
        assert_eq!((found.fstype.to_str(), found.target), (Some(fstype), stage.file(at)), "{path}");
    }
    for at in ["file", "bind", "overlay", "xfs", "ext4"] {
        stage.unmount(at);
    }
}

pub(crate) fn loops(stage: &Stage) {
    mkdirs(&stage.dir, &["t"]);
    let image = stage.file("image");
    File::create(&image).unwrap().set_len(16 << 20).unwrap();
    fmountat_testing::command_output(Command::new("mkfs.ext4").arg("-q").arg(&image));
    let missing = Mount::new("ext4", stage.file("missing")).option("loop");
    assert_eq!(stage.apply(&[missing], "t").unwrap_err().kind(), ErrorKind::NotFound);
    let is_gone_within = |time: Duration| {
        let end = Instant::now() + time;
        while !fmountat_testing::loop_devices(&stage.dir).is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(2));
        }
        fmountat_testing::loop_devices(&stage.dir).is_empty()
    };
    for (options, writes) in [("loop,ro", false), ("loop", true)] {
        stage.apply(&[Mount::new("ext4", &image).option(options)], "t").unwrap();
        assert_eq!(std::fs::write(stage.file("t/f"), "").is_ok(), writes, "{options}");
        stage.unmount("t");
        assert!(is_gone_within(Duration::from_secs(1)), "{options}");
    }
    let no_autoclear = LoopOptions::default().autoclear(false);
    let device = LoopDevice::attach(CWD, &image, &no_autoclear).unwrap();
    stage.apply(&[Mount::new("ext4", device.path())], "t").unwrap();
    stage.unmount("t");
    assert!(!is_gone_within(Duration::from_millis(100)));
    device.detach().unwrap();
    assert!(is_gone_within(Duration::from_secs(1)));
}

fn tree(root: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), read(&path))).collect()
}

/// Each layer hides a file of the one below and has one of its own.
pub(crate) fn levels(stage: &Stage) {
    let mut flat = BTreeMap::new();
    let layers: Vec<String> = (0..128).map(|n| format!("l/{n}")).collect();
    mkdirs(&stage.dir, &["t"]);
    for (n, layer) in layers.iter().enumerate() {
        for (name, text) in [(format!("own{n}"), n), (format!("shared{}", n / 2), n)] {
            write(stage.file(&format!("{layer}/{name}")), text.to_string());
            flat.insert(name, text.to_string());
        }
        let below: Vec<&str> = layers[..=n].iter().rev().map(String::as_str).collect();
        if n > 0 {
            stage.apply(&[overlay(stage, &below)], "t").unwrap();
            assert_eq!(tree(&stage.file("t")), flat, "level {n}");
            stage.unmount("t");
        }
    }
}

pub(crate) fn contexts(stage: &Stage) {
    mkdirs(&stage.dir, &["t"]);
    let context = r#"context="system_u:object_r:tmp_t:s0:c127,c456""#;
    let done = stage.apply(&[tmpfs().option(context).option("size=1m")], "t");
    if Path::new("/sys/fs/selinux/enforce").exists() {
        done.unwrap();
        let seen = find(CWD, stage.file("t")).unwrap().super_options.into_string().unwrap();
        assert!(seen.contains("c127,c456"), "{seen}");
        return;
    }
    let error = done.unwrap_err();
    assert!(error.reason().contains("SELinux is not enabled"), "{error}");
    assert_eq!(error.argument().unwrap(), context);
    // The comma of the value separates nothing: what follows it is a context of its own.
    let error = Options::parse([format!("{context},X-mount.mode=nine")]).unwrap_err();
    assert_eq!(error.argument().unwrap(), context);
}

pub(crate) fn long_options(stage: &Stage) {
    mkdirs(&stage.dir, &["t"]);
    let long = (0..400).map(|n| format!("nr_inodes={}", 1000 + n)).collect::<Vec<_>>().join(",");
    assert!(long.len() > 4096);
    stage.apply(&[tmpfs().option(&long)], "t").unwrap();
    assert_eq!(statvfs(stage.file("t")).unwrap().f_files, 1399);
}

pub(crate) fn shared_digits(stage: &Stage) {
    mkdirs(&stage.dir, &["t"]);
    let ids = ["79", "78", "77", "7", "790"];
    for id in ids {
        write(stage.file(&format!("79/{id}/fs/f{id}")), id);
    }
    let layers: Vec<String> = ids.iter().map(|id| format!("79/{id}/fs")).collect();
    let layers: Vec<&str> = layers.iter().map(String::as_str).collect();
    stage.apply(&[overlay(stage, &layers)], "t").unwrap();
    for id in ids {
        assert_eq!(read(stage.file(&format!("t/f{id}"))), id);
    }
}
