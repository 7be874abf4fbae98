// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The rows of table B: what each must show on a way.

use crate::ways::{Stage, tmpfs};
use fmountat::{ErrorKind, Mount, Options, Plan, Target, TempError, TempMount, Unmount, find, mountinfo};
use fmountat_testing::{mkdirs, mount_flags, mounts_below, read, write};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

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
        let done = stage.apply(&[tmpfs().option(padded(length))], "t");
        if length > 4095 && !stage.is_new() {
            let error = done.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TooLong, "{error}");
            assert!(error.reason().contains(&length.to_string()), "{error}");
            assert_eq!(stage.mounts(), Vec::<String>::new());
            continue;
        }
        done.unwrap();
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
    let done = stage.apply(&[padded], "t");
    if !stage.is_new() {
        let error = done.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLong);
        assert!(error.reason().contains("300 layers have") && error.reason().contains("bytes"), "{error}");
    }
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
        stage.mounter.remount(&target, &Options::parse([words]).unwrap())
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

/// The optional fields of the mount at a path: its propagation.
fn propagation(stage: &Stage, at: &str) -> String {
    let table = read("/proc/thread-self/mountinfo");
    let line = table.lines().find(|line| line.split(' ').nth(4) == Some(&stage.text(at))).unwrap();
    let fields = line.split(' ').skip(6).take_while(|field| *field != "-");
    fields.map(|f| f.split(':').next().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
}

pub(crate) fn defaults_and_propagation(stage: &Stage) {
    mkdirs(&stage.dir, &["s", "t"]);
    for (words, seen) in [
        ("defaults", ""),
        ("defaults,shared", "shared"),
        ("rshared", "shared"),
        ("private", ""),
        ("unbindable", "unbindable"),
    ] {
        for mount in [tmpfs().option(words), stage.bind("s", "bind").option(words)] {
            stage.apply(std::slice::from_ref(&mount), "t").unwrap();
            assert_eq!(propagation(stage, "t"), seen, "{mount:?}");
            stage.unmount("t");
        }
    }
    stage.apply(&[tmpfs().option("shared")], "s").unwrap();
    stage.apply(&[stage.bind("s", "bind,slave")], "t").unwrap();
    assert_eq!(propagation(stage, "t"), "master");
}

/// What needs id mappings is refused by mount(2)'s way, before any change.
fn refused(stage: &Stage, mount: &Mount) -> bool {
    let done = stage.apply(std::slice::from_ref(mount), "t");
    if stage.is_new() {
        done.unwrap();
        return false;
    }
    let error = done.unwrap_err();
    assert_eq!((error.kind(), error.argument().unwrap().to_str()), (ErrorKind::Unsupported, Some("idmap")));
    assert_eq!(mounts_below(stage.file("t")), Vec::<String>::new());
    true
}

const MAPS: [&str; 3] = ["uidmap=0:500:10,gidmap=0:600:10", "uidmap=0:500:10", "gidmap=0:600:10"];

pub(crate) fn read_only_idmap(stage: &Stage) {
    mkdirs(&stage.dir, &["t"]);
    write(stage.file("s/f"), "");
    chown(stage.file("s/f"), Some(1), Some(2)).unwrap();
    for (map, owner) in MAPS.into_iter().zip([(501, 602), (501, 2), (1, 602)]) {
        if refused(stage, &stage.bind("s", "bind,ro").option(map)) {
            continue;
        }
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
        if !refused(stage, &mount) {
            assert_eq!(stage.file("t/f2").metadata().unwrap().uid(), 500);
            stage.unmount("t");
        }
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
                if !refused(stage, &mount) {
                    stage.unmount("t");
                }
            }
        }));
        stop.store(true, Ordering::Relaxed);
        let most = watcher.join().unwrap();
        done.map(|()| most).unwrap()
    });
    assert!(most <= before + 1, "{most} lines after {before}");
    assert_eq!(lines(), before);
}

pub(crate) fn failed_list(stage: &Stage) {
    mkdirs(&stage.dir, &["s", "t/have"]);
    let good =
        || [tmpfs(), tmpfs().at("a").option("X-mount.mkdir"), stage.bind("s", "bind,X-mount.mkdir").at("b")];
    for bad in [
        stage.bind("missing", "bind").at("a"),
        tmpfs().at("not/there"),
        tmpfs().at("a").option("size=nonsense"),
        Mount::new("nosuchfs", "x").at("a"),
    ] {
        let mut mounts = good().to_vec();
        mounts.push(bad);
        let error = stage.apply(&mounts, "t").unwrap_err();
        assert!(error.step().starts_with("mount 4: "), "{error}");
        assert_eq!(stage.mounts(), Vec::<String>::new());
        // Without a root of their own, and directories made for them.
        let error = stage.apply(&mounts[1..], "t").unwrap_err();
        assert!(error.step().starts_with("mount 3: "), "{error}");
        let left: Vec<_> =
            std::fs::read_dir(stage.file("t")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!((stage.mounts(), left), (Vec::new(), vec!["have".into()]));
    }
    stage.apply(&good(), "t").unwrap();
    assert_eq!(stage.mounts().len(), 3);
}

pub(crate) fn caller_stays(stage: &Stage) {
    mkdirs(&stage.dir, &["t", "l", "u", "w"]);
    let before = (std::env::current_dir().unwrap(), read("/proc/thread-self/status"));
    let signals = |status: &str| {
        let kept = |line: &&str| ["Sig", "Shd", "Umask"].iter().any(|key| line.starts_with(key));
        status.lines().filter(kept).map(str::to_owned).collect::<Vec<_>>()
    };
    let overlay =
        format!("lowerdir={},upperdir={},workdir={}", stage.text("l"), stage.text("u"), stage.text("w"));
    stage.apply(&[Mount::new("overlay", "overlay").option(overlay)], "t").unwrap();
    assert!(stage.apply(&[stage.bind("missing", "bind")], "t").is_err());
    let after = (std::env::current_dir().unwrap(), read("/proc/thread-self/status"));
    assert_eq!((&before.0, signals(&before.1)), (&after.0, signals(&after.1)));
    assert!(rustix::process::wait(rustix::process::WaitOptions::NOHANG).is_err(), "a child");
}

pub(crate) fn honest_unmount(stage: &Stage) {
    mkdirs(&stage.dir, &["t", "plain"]);
    stage.apply(&[tmpfs()], "t").unwrap();
    symlink(stage.file("t"), stage.file("link")).unwrap();
    for (path, words) in [("link", "symbolic link"), ("plain", "nothing is mounted")] {
        let errors = Unmount::new().run(stage.file(path)).unwrap_err();
        assert_eq!(errors[0].kind(), ErrorKind::NotMounted);
        assert!(errors[0].reason().contains(words), "{}", errors[0]);
    }
    assert_eq!(stage.mounts().len(), 1);
    Unmount::new().run(stage.file("t")).unwrap();
    assert_eq!(stage.mounts().len(), 0);
}

pub(crate) fn every_error(stage: &Stage) {
    mkdirs(&stage.dir, &["t"]);
    let below = |name: &str| tmpfs().at(name).option("X-mount.mkdir");
    stage.apply(&[tmpfs(), below("a"), below("b"), below("c")], "t").unwrap();
    let held =
        [std::fs::File::open(stage.file("t/a")).unwrap(), std::fs::File::open(stage.file("t/c")).unwrap()];
    let quick = Unmount::new().recursive(true).timeout(Duration::from_millis(20));
    let errors = quick.run(stage.file("t")).unwrap_err();
    let told = |name: &str| errors.iter().any(|e| e.argument() == Some(stage.file(name).as_os_str()));
    assert!(told("t/a") && told("t/c") && !told("t/b"), "{errors:?}");
    drop(held);
    stage.unmount("t");
}

pub(crate) fn top_of_stack(stage: &Stage) {
    mkdirs(&stage.dir, &["s", "t"]);
    write(stage.file("s/f"), "");
    stage.apply(&[tmpfs().option("size=1m")], "t").unwrap();
    let bottom = find(CWD, stage.file("t")).unwrap();
    stage.apply(&[Mount::new("ramfs", "top")], "t").unwrap();
    let top = find(CWD, stage.file("t")).unwrap();
    assert_eq!((bottom.fstype.to_str(), top.fstype.to_str()), (Some("tmpfs"), Some("ramfs")));
    assert_eq!((top.target, top.parent), (stage.file("t"), bottom.id));
}

/// Every thread is told the same free number at once, and all but one come too late.
pub(crate) fn loop_retry(stage: &Stage) {
    let barrier = std::sync::Barrier::new(8);
    for thread in 0..8 {
        let image = stage.file(&format!("image{thread}"));
        std::fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
        let mut mkfs = std::process::Command::new("mkfs.ext4");
        fmountat_testing::command_output(mkfs.arg("-q").arg(&image));
        mkdirs(&stage.dir, &[&format!("t{thread}")]);
    }
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let barrier = &barrier;
            scope.spawn(move || {
                let image = Mount::new("ext4", stage.file(&format!("image{thread}"))).option("loop");
                for _ in 0..10 {
                    barrier.wait();
                    stage.apply(std::slice::from_ref(&image), format!("t{thread}")).unwrap();
                    Unmount::new().run(stage.file(&format!("t{thread}"))).unwrap();
                }
            });
        }
    });
}

pub(crate) fn busy_is_retried(stage: &Stage) {
    mkdirs(&stage.dir, &["t"]);
    stage.apply(&[tmpfs()], "t").unwrap();
    let held = std::fs::File::open(stage.file("t")).unwrap();
    let start = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(200));
            drop(held);
        });
        Unmount::new().run(stage.file("t")).unwrap();
    });
    assert!(start.elapsed() > Duration::from_millis(150));
    stage.apply(&[tmpfs()], "t").unwrap();
    let held = std::fs::File::open(stage.file("t")).unwrap();
    let errors = Unmount::new().timeout(Duration::from_millis(50)).run(stage.file("t")).unwrap_err();
    assert_eq!(errors[0].kind(), ErrorKind::Busy);
    drop(held);
}

pub(crate) fn nothing_deleted(stage: &Stage) {
    mkdirs(&stage.dir, &["places"]);
    write(stage.file("s/precious"), "whole");
    let temp = TempMount::new().visible_in(stage.file("places"));
    let mut held = None;
    let done = temp.with(&stage.mounter, CWD, &[stage.bind("s", "bind")], |root| {
        held = Some(std::fs::File::open(root.path().join("precious")).unwrap());
        Ok::<_, String>(())
    });
    if stage.is_new() {
        let error = done.unwrap_err();
        assert!(
            matches!(&error, TempError::CleanUp(errors) if errors[0].kind() == ErrorKind::Busy),
            "{error}"
        );
        assert_eq!(stage.mounts().len(), 1);
    } else {
        assert!(matches!(done.unwrap_err(), TempError::Mount(e) if e.kind() == ErrorKind::Unsupported));
    }
    assert_eq!(read(stage.file("s/precious")), "whole");
}

pub(crate) fn bytes_of_paths(stage: &Stage) {
    let odd = "a b\tc\nd\\e\\040f\"g,h:i#";
    mkdirs(&stage.dir, &[odd, "s,\\x"]);
    write(stage.file("s,\\x/f"), "odd");
    stage.apply(&[stage.bind("s,\\x", "bind")], odd).unwrap();
    let entry = find(CWD, stage.file(odd)).unwrap();
    assert_eq!(entry.target, stage.file(odd));
    assert!(mountinfo::read().unwrap().iter().any(|e| e.target == stage.file(odd)));
    assert_eq!(read(stage.file(odd).join("f")), "odd");
    Unmount::new().run(stage.file(odd)).unwrap();
}

/// A directory inside the root and a link out of it change places all the time.
pub(crate) fn no_escape(stage: &Stage) {
    mkdirs(&stage.dir, &["root/dir/sub", "outside/sub", "s"]);
    symlink("../outside", stage.file("root/link")).unwrap();
    write(stage.file("s/mark"), "");
    let (dir, link) = (stage.file("root/dir"), stage.file("root/link"));
    let stop = AtomicBool::new(false);
    let (mut mounted, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        let attacker = scope.spawn(|| {
            let mut swaps = 0u64;
            while !stop.load(Ordering::Relaxed) {
                // Fails between the look-ups of the two, when a copy of the root comes to lie over it.
                swaps += u64::from(renameat_with(CWD, &dir, CWD, &link, RenameFlags::EXCHANGE).is_ok());
            }
            swaps
        });
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..1000 {
                match stage.apply(&[stage.bind("s", "bind").at("dir/sub")], "root") {
                    Ok(_) => mounted += 1,
                    Err(error) => {
                        let fair = [
                            ErrorKind::TargetMoved,
                            ErrorKind::NotFound,
                            ErrorKind::Busy,
                            ErrorKind::NotADirectory,
                        ];
                        assert!(fair.contains(&error.kind()), "{error}");
                        refused += 1;
                    }
                }
                assert!(!stage.file("outside/sub/mark").exists(), "it escaped");
                for path in stage.mounts().iter().rev() {
                    let _ = Unmount::new().lazy(true).run(path);
                }
            }
        }));
        stop.store(true, Ordering::Relaxed);
        assert!(attacker.join().unwrap() > 1000);
        done.unwrap();
    });
    println!("counted: {} by {:?}: {mounted} mounted inside, {refused} refused, 0 escaped", 1000, stage.way);
    while let Some(path) = stage.mounts().last() {
        Unmount::new().lazy(true).run(path).unwrap();
    }
}

pub(crate) fn errors_in_words(stage: &Stage) {
    mkdirs(&stage.dir, &["t", "l/1", "l/3"]);
    write(stage.file("l/file"), "");
    let overlay = |middle: &str| {
        let paths = [stage.text("l/1"), stage.text(middle), stage.text("l/3")];
        Mount::new("overlay", "overlay").option(format!("lowerdir={}", paths.join(":")))
    };
    for (mount, kind, step, words) in [
        (overlay("l/2"), ErrorKind::LayerMissing, "open layer 2", "no such file"),
        (overlay("l/file"), ErrorKind::LayerNotDirectory, "open layer 2", "must be a directory"),
        (Mount::new("nosuchfs", "x"), ErrorKind::UnknownFilesystem, "", "no such filesystem"),
        (
            stage.bind("l/file", "bind"),
            ErrorKind::WrongTargetType,
            "attach",
            "a file can't be mounted on a directory",
        ),
    ] {
        let error = stage.apply(&[mount], "t").unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.step().contains(step) && error.reason().contains(words), "{error}");
    }
    let error = stage.apply(&[tmpfs().option("sise=1m")], "t").unwrap_err();
    let told = if stage.is_new() { "kernel: tmpfs: Unknown parameter 'sise'" } else { "dmesg" };
    assert!(error.to_string().contains(told), "{error}");
}

pub(crate) fn descriptors_closed(stage: &Stage) {
    mkdirs(&stage.dir, &["t", "l", "u", "w"]);
    let count = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let overlay =
        format!("lowerdir={},upperdir={},workdir={}", stage.text("l"), stage.text("u"), stage.text("w"));
    let set = [Mount::new("overlay", "overlay").option(overlay), tmpfs().at("tmp").option("X-mount.mkdir")];
    let mut before = None;
    for _ in 0..3 {
        stage.apply(&set, "t").unwrap();
        assert!(stage.apply(&[set[0].clone(), stage.bind("missing", "bind")], "t").is_err());
        // The first round opens the clone of the layers' directory that the handle keeps.
        assert_eq!(count(), *before.get_or_insert_with(count));
        // Not busy: nobody of ours holds it.
        Unmount::new().timeout(Duration::ZERO).run(stage.file("t/tmp")).unwrap();
        Unmount::new().timeout(Duration::ZERO).run(stage.file("t")).unwrap();
    }
}
