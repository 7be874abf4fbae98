// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The rows of table B about lists, unmounting, targets and errors.

use crate::common::strategies::{Stage, tmpfs};
use fmountat::table::find;
use fmountat::temp::{TempError, TempMount};
use fmountat::{ErrorKind, Mount, Unmount, mountinfo};
use fmountat_testing::{mkdirs, read, write};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

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
    // The C library reserves a signal when a process starts its first thread, as the older
    // strategies do.
    std::thread::spawn(|| {}).join().unwrap();
    let before = (std::env::current_dir().unwrap(), read("/proc/thread-self/status"));
    let signals = |status: &str| {
        // SigQ counts the signals queued for all processes of the user.
        let keys = ["SigPnd", "SigBlk", "SigIgn", "SigCgt", "ShdPnd", "Umask"];
        let kept = |line: &&str| keys.iter().any(|key| line.starts_with(key));
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
    for (path, words) in [("link", "symbolic link"), ("plain", "is not mounted")] {
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
    let is_reported = |name: &str| errors.iter().any(|e| e.argument() == Some(stage.file(name).as_os_str()));
    assert!(is_reported("t/a") && is_reported("t/c") && !is_reported("t/b"), "{errors:?}");
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

/// Every thread gets the same free number, and all but one are too late. Another process has the
/// free device for a while: the kernel still returns its number and refuses to set it up.
fn loop_of_somebody_else(stage: &Stage) {
    let free = fmountat_testing::command_output(std::process::Command::new("losetup").arg("--find"));
    let mut exclusive = std::fs::OpenOptions::new();
    exclusive.read(true).custom_flags(libc::O_EXCL);
    let claimed = exclusive.open(free.trim()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            drop(claimed);
        });
        stage.apply(&[Mount::new("ext4", stage.file("image0")).option("loop")], "t0").unwrap();
    });
    Unmount::new().run(stage.file("t0")).unwrap();
}

pub(crate) fn loop_retry(stage: &Stage) {
    let barrier = std::sync::Barrier::new(8);
    for thread in 0..8 {
        let image = stage.file(&format!("image{thread}"));
        std::fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
        let mut mkfs = std::process::Command::new("mkfs.ext4");
        fmountat_testing::command_output(mkfs.arg("-q").arg(&image));
        mkdirs(&stage.dir, &[&format!("t{thread}")]);
    }
    loop_of_somebody_else(stage);
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
    let error = done.unwrap_err();
    assert!(matches!(&error, TempError::CleanUp(errors) if errors[0].kind() == ErrorKind::Busy), "{error}");
    assert_eq!(stage.mounts().len(), 1);
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
                // The exchange fails between the two look-ups if a copy of the root covers the
                // directory.
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
    let name = stage.dir.file_name().unwrap_or_default().to_string_lossy();
    println!("counted: 1000 {name}: {mounted} mounted inside, {refused} refused, 0 escaped");
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
        (overlay("l/file"), ErrorKind::LayerNotDirectory, "open layer 2", "is not a directory"),
        (Mount::new("nosuchfs", "x"), ErrorKind::UnknownFilesystem, "", "unknown file system"),
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
    assert!(error.to_string().contains("kernel: tmpfs: Unknown parameter 'sise'"), "{error}");
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
        assert!(stage.apply(&[set[0].clone(), stage.bind("missing", "bind").at("tmp")], "t").is_err());
        // The first round opens the clone of the layers' directory that the handle keeps.
        assert_eq!(count(), *before.get_or_insert_with(count));
        // Not busy: nobody of ours holds it.
        Unmount::new().timeout(Duration::ZERO).run(stage.file("t/tmp")).unwrap();
        Unmount::new().timeout(Duration::ZERO).run(stage.file("t")).unwrap();
    }
}
