// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests mount helpers: their mounts, their errors, their arguments and their cost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::helpers::{LONG, file, gone, image, marked_sleep, mount, script};
use fmountat::helper::Helper;
use fmountat::strategy::Strategy;
use fmountat::table::find;
use fmountat::{ErrorKind, Mount, Mounter, Plan, Target, Unmount};
use fmountat_testing::{mkdirs, mounts_below, read, scratch, write};
use rustix::fs::CWD;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

fmountat_testing::cases! {
    /// A real FUSE file system: it can be read, its flags are in force, and its process ends with
    /// the unmount.
    fn a_fuse_file_system() needs [Root, Tool("mount.fuse3"), Tool("squashfuse"), Tool("mksquashfs"), Filesystem("fuse")] {
        mkdirs(scratch(), &["t"]);
        let image = image();
        // libfuse knows no `rro` and no `strictatime`.
        let one = Mount::new("fuse3.squashfuse", &image).option("rro,nosuid=recursive,exec,noexec,strictatime");
        let target = Target::open(CWD, file("t")).unwrap();
        let plan = Plan::new(std::slice::from_ref(&one)).unwrap();
        assert!(plan.to_string().contains("by its mount helper"));
        let applied = Mounter::detached().apply(CWD, &plan, &target).unwrap();
        assert_eq!((read(file("t/who")), applied.strategy), ("by FUSE".into(), Strategy::StepByStep));
        let found = find(CWD, file("t")).unwrap();
        assert_eq!(found.fstype, "fuse.squashfuse");
        let flags = found.options.into_string().unwrap();
        assert!(["ro", "nosuid", "noexec"].iter().all(|word| flags.contains(word)), "{flags}");
        drop(target);
        Unmount::new().run(file("t")).unwrap();
        gone(&image.display().to_string());
    }

    /// A set runs its helper last. If the helper fails, the set unmounts the other mounts; the
    /// order holds when another mount is attached below the helper's.
    fn in_a_set() needs [Root, Tool("mount.fuse3"), Tool("squashfuse"), Tool("mksquashfs"), Filesystem("fuse")] {
        mkdirs(scratch(), &["t"]);
        let image = image();
        let fuse = |at: &str| Mount::new("fuse.squashfuse", &image).at(at).option("X-mount.mkdir");
        let tmpfs = |at: &str| Mount::new("tmpfs", "tmpfs").at(at).option("X-mount.mkdir");
        let apply = |mounts: &[Mount]| {
            let (plan, target) = (Plan::new(mounts).unwrap(), Target::open(CWD, file("t")).unwrap());
            let strict = Mounter::detached().need_one_step(&plan);
            assert_eq!(strict.unwrap_err().kind(), ErrorKind::Unsupported);
            Mounter::detached().apply(CWD, &plan, &target).map(drop)
        };
        apply(&[tmpfs("/"), fuse("a"), tmpfs("b")]).unwrap();
        assert_eq!((read(file("t/a/who")), mounts_below(file("t")).len()), ("by FUSE".into(), 3));
        Unmount::new().recursive(true).run(file("t")).unwrap();
        let bad = Mount::new("fuse.squashfuse", file("missing")).at("z").option("X-mount.mkdir");
        let error = apply(&[tmpfs("/"), fuse("a"), bad.clone()]).unwrap_err();
        assert_eq!((error.kind(), error.step().as_str()), (ErrorKind::HelperFailed, "mount 3: run mount helper"), "{error}");
        assert_eq!(mounts_below(file("t")), Vec::<String>::new());
        let error = apply(&[fuse("x/y"), bad]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HelperFailed);
        assert_eq!(std::fs::read_dir(file("t")).unwrap().count(), 0);
        gone(&image.display().to_string());
    }

    /// A FUSE helper is passed each option separately, others one list; the target is passed by its
    /// real path.
    fn arguments() needs [] {
        mkdirs(scratch(), &["t"]);
        std::os::unix::fs::symlink("t", file("link")).unwrap();
        let helper = script(r#"for word; do echo "[$word]"; done; exit 3"#);
        let error = mount(&helper, "link", LONG).unwrap_err();
        let target = format!("[{}]", file("t").display());
        assert_eq!(error.output(), ["[the source]", &target, "[-o]", "[ro,a,b,x y]"]);
        assert_eq!((error.kind(), error.reason().as_str()), (ErrorKind::HelperFailed, "exit status 3"));
        write(file("bin/mount.fuse3"), "#!/bin/sh\nfor word; do echo \"[$word]\"; done; exit 3");
        std::fs::set_permissions(file("bin/mount.fuse3"), PermissionsExt::from_mode(0o755)).unwrap();
        for fstype in ["fuse.some.fs", "fuse3.some.fs"] {
            let helper = Helper::find_in(fstype, &[file("bin")], &[]).unwrap().unwrap();
            let error = mount(&helper, "link", LONG).unwrap_err();
            let want = ["[the source]", &target, "[-o]", "[ro]", "[-o]", r"[a\,b]", "[-o]", "[x y]", "[-t]", "[some.fs]"];
            assert_eq!(error.output(), want);
        }
        assert!(error.to_string().contains("\n  helper: [the source]"), "{error}");
        // A comma in a value splits no option: libfuse needs a backslash, mount.TYPE quotes.
        let target = Target::open(CWD, file("t")).unwrap();
        let option = ["key=a,suid,dev".into()];
        let helper = Helper::find_in("fuse3.x", &[file("bin")], &[]).unwrap().unwrap();
        let error = helper.mount(CWD, "s", &target, &option, LONG).unwrap_err();
        assert_eq!(error.output()[3], r"[key=a\,suid\,dev]");
        let error = script(r#"echo "[$4]"; exit 3"#).mount(CWD, "s", &target, &option, LONG).unwrap_err();
        assert_eq!(error.output(), [r#"[key="a,suid,dev"]"#]);
    }

    /// No helper, and none needed; a FUSE type without one names what to install.
    fn missing() needs [] {
        assert_eq!(Helper::find_in("tmpfs", &[], &[file("bin")]).unwrap(), None);
        assert_eq!(Helper::find_in("../../bin/sh", &[], &[file("bin")]).unwrap(), None);
        let error = Helper::find_in("fuse.sshfs", &[file("bin")], &[]).unwrap_err();
        assert_eq!((error.kind(), error.argument().unwrap().to_str()), (ErrorKind::HelperMissing, Some("fuse.sshfs")));
        assert!(error.hint().unwrap().contains("fuse3"));
        mkdirs(scratch(), &["t"]);
        let helper = script("");
        write(file("bin/mount.script"), "#!/no/such/shell\n");
        let error = mount(&helper, "t", LONG).unwrap_err();
        assert_eq!((error.kind(), error.call()), (ErrorKind::HelperMissing, Some(fmountat::error::Syscall::Execve)), "{error}");
    }

    /// Success without a mount is a failure; a mount at another place is taken away.
    fn what_it_did_is_looked_at() needs [Root] {
        mkdirs(scratch(), &["t", "other"]);
        let error = mount(&script("exit 0"), "t", LONG).unwrap_err();
        assert!(error.reason().contains("nothing is mounted on the target"), "{error}");
        let moves = script(r#"mv "$2" "$2.moved"; mkdir "$2"; mount -t tmpfs x "$2""#);
        let error = mount(&moves, "t", LONG).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TargetMoved, "{error}");
        assert_eq!(mounts_below(scratch()), Vec::<String>::new());
        let error = mount(&script(r#"mount -t tmpfs x "$2"; echo sorry; exit 32"#), "t", LONG).unwrap_err();
        assert_eq!((error.output(), mounts_below(scratch())), (&["sorry".to_owned()][..], Vec::new()));
        mount(&script(r#"mount -t tmpfs x "$2""#), "t", LONG).unwrap();
        assert_eq!(mounts_below(file("t")).len(), 1);
    }

    /// A helper that hangs is ended with all that it has started, also one that ignores signals.
    fn a_hung_helper_is_ended() needs [] {
        mkdirs(scratch(), &["t"]);
        let marked_sleep = marked_sleep();
        let helper = script(&format!("trap '' TERM INT HUP; echo waiting; {marked_sleep} & {marked_sleep}; {marked_sleep}"));
        let start = Instant::now();
        let error = mount(&helper, "t", Duration::from_millis(300)).unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(5));
        assert_eq!((error.kind(), error.output()), (ErrorKind::TimedOut, &["waiting".to_owned()][..]), "{error}");
        gone(&marked_sleep);
    }

    /// The helper does not inherit a descriptor without close-on-exec. The caller's signal mask and
    /// handlers do not change.
    fn nothing_leaks_into_it() needs [] {
        mkdirs(scratch(), &["t"]);
        let leaky = std::fs::File::open("/etc/hostname").unwrap();
        rustix::io::fcntl_setfd(&leaky, rustix::io::FdFlags::empty()).unwrap();
        let status = || {
            let text = read("/proc/thread-self/status");
            text.lines().filter(|l| l.starts_with("Sig") && !l.starts_with("SigQ")).map(str::to_owned).collect::<Vec<_>>()
        };
        let before = status();
        let helper = script("ls -l /proc/self/fd | sed -n 's/.* \\([0-9]*\\) -> .*/\\1/p'; grep SigBlk /proc/self/status; exit 1");
        let error = mount(&helper, "t", LONG).unwrap_err();
        // Descriptor 3 is the directory that ls(1) reads.
        assert_eq!(error.output(), ["0", "1", "2", "3", "SigBlk:\t0000000000000000"], "{error}");
        assert_eq!(status(), before);
    }

    /// The cost does not grow with the caller.
    fn cost_of_a_large_caller() needs [SteadyTime] {
        mkdirs(scratch(), &["t"]);
        let helper = script("exit 1");
        let median = || {
            let mut samples: Vec<Duration> = (0..31).map(|_| {
                let start = Instant::now();
                mount(&helper, "t", LONG).unwrap_err();
                start.elapsed()
            }).collect();
            samples.sort();
            samples[15]
        };
        // Other processes may slow down one of the two measurements, so there are five tries.
        let is_as_fast = (0..5).any(|_| {
            let small = median();
            let ballast = vec![1u8; 1 << 30];
            let large = median();
            assert_eq!(std::hint::black_box(&ballast)[7], 1);
            println!("counted: a helper that fails at once: {small:?}, from a process of 1 GB {large:?}");
            large.as_secs_f64() < 1.5 * small.as_secs_f64()
        });
        assert!(is_as_fast);
    }
}
