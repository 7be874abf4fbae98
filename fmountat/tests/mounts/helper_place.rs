// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where a mount helper has mounted: on the very target, or it is taken back, and nothing else is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::helpers::{LONG, file, gone, image, marked_sleep, mount, script, script_for, signal};
use fmountat::call::FsContext;
use fmountat::helper::Helper;
use fmountat::{ErrorKind, MountAttr, Target, fmountat};
use fmountat_testing::{command_output, filter, mkdirs, mounts_below, scratch, write};
use rustix::fs::CWD;
use rustix::process::Signal;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

fn tmpfs(path: &str) {
    fmountat(CWD, "tmpfs", file(path), "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
}

fn mounted() -> Vec<String> {
    let dir = format!("{}/", scratch().display());
    mounts_below(scratch()).iter().map(|path| path.trim_start_matches(&dir).to_owned()).collect()
}

/// Exchanges a directory above the target with one that has an older mount at the target's name.
fn older_mount() {
    for end in ["exit 0", "exit 1"] {
        mkdirs(scratch(), &["x/t", "y/t"]);
        tmpfs("y/t");
        let top = scratch().display().to_string();
        let swap = script(&format!("mv {top}/x {top}/z; mv {top}/y {top}/x; {end}"));
        let error = mount(&swap, "x/t", LONG).unwrap_err();
        assert_eq!(error.kind() == ErrorKind::TargetMoved, end == "exit 0", "{error}");
        assert_eq!(mounted(), ["x/t"]);
        command_output(Command::new("umount").arg(file("x/t")));
        std::fs::remove_dir_all(file("x")).unwrap();
        std::fs::remove_dir_all(file("z")).unwrap();
    }
}

fmountat_testing::cases! {
    /// No path leads to a target in a detached tree: the kernel's path for it leads to another
    /// directory.
    fn a_target_that_no_path_leads_to() needs [Root] {
        let tree = FsContext::open("tmpfs").unwrap().create().unwrap().mount(&MountAttr::default()).unwrap();
        rustix::fs::mkdirat(tree.root(), "tmp", 0o755.into()).unwrap();
        let target = Target::in_root(tree.root(), "tmp").unwrap();
        let before = mounts_below("/tmp");
        let helper = script(r#"mount -t tmpfs x "$2""#);
        let error = helper.mount(CWD, "x", &target, &[], LONG).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TargetMoved, "{error}");
        assert_eq!(mounts_below("/tmp"), before);
    }

    /// So it is with a directory that was removed, and one that something was mounted over.
    fn a_target_that_is_gone_or_covered() needs [Root] {
        mkdirs(scratch(), &["t", "c"]);
        let helper = script(r#"touch "$(dirname "$2")/ran"; exit 1"#);
        let [removed, covered] = ["t", "c"].map(|name| Target::open(CWD, file(name)).unwrap());
        std::fs::remove_dir(file("t")).unwrap();
        tmpfs("c");
        for target in [removed, covered] {
            let error = helper.mount(CWD, "x", &target, &[], LONG).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TargetMoved, "{error}");
        }
        assert!(!file("ran").exists());
        assert_eq!(mounted(), ["c"]);
    }

    /// A mount that a rename moved to the target's path is not mistaken for the helper's.
    fn an_older_mount_is_not_taken_away() needs [Root] {
        older_mount();
    }

    /// So it is where only the table tells which mounts there were.
    fn an_older_mount_by_the_table() needs [Root] {
        // statmount(2) and listmount(2), which libc has no names for.
        filter::errno_on(&[457, 458], libc::ENOSYS.unsigned_abs());
        older_mount();
        mkdirs(scratch(), &["t"]);
        mount(&script(r#"mount -t tmpfs x "$2""#), "t", LONG).unwrap();
        mount(&script(r#"mount -t tmpfs x "$2"; exit 1"#), "t", LONG).unwrap_err();
        assert_eq!(mounted(), ["t"]);
    }

    /// No symbolic link that was put into the target's place leads to a mount that is taken away.
    fn links_in_the_place_are_not_followed() needs [Root] {
        mkdirs(scratch(), &["t", "other"]);
        let other = file("other").display().to_string();
        let link = script(&format!(r#"mount -t tmpfs x {other}; mv "$2" "$2.moved"; ln -s {other} "$2"; exit 0"#));
        let error = mount(&link, "t", LONG).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TargetMoved, "{error}");
        assert_eq!(mounted(), ["other"]);
    }

    /// After the helper mounted, the directory above is renamed: the mount is unmounted at its new
    /// path.
    fn a_mount_that_was_moved_away_is_taken_back() needs [Root] {
        for end in ["exit 0", "exit 1"] {
            mkdirs(scratch(), &["x/t"]);
            let moves = script(&format!(r#"mount -t tmpfs x "$2"; cd "$2/../.."; mv x z; {end}"#));
            let error = mount(&moves, "x/t", LONG).unwrap_err();
            assert_eq!(error.kind() == ErrorKind::TargetMoved, end == "exit 0", "{error}");
            assert_eq!(mounted(), Vec::<String>::new());
            std::fs::remove_dir_all(file("z")).unwrap();
        }
    }

    /// A FUSE helper must have mounted FUSE.
    fn another_type_is_no_success() needs [Root] {
        mkdirs(scratch(), &["t"]);
        script_for("mount.fuse3", r#"mount -t tmpfs x "$2""#);
        let helper = Helper::find_in("fuse3.x", &[file("bin")], &[]).unwrap().unwrap();
        let error = mount(&helper, "t", LONG).unwrap_err();
        assert!(error.reason().contains("tmpfs"), "{error}");
        assert_eq!((error.kind(), mounted()), (ErrorKind::HelperFailed, Vec::new()));
    }

    /// A file system whose process answers nothing holds nobody up.
    fn a_stopped_daemon_does_not_hold_us_up() needs [Root, Tool("squashfuse"), Tool("mksquashfs"), Tool("mountpoint"), Filesystem("fuse")] {
        mkdirs(scratch(), &["t"]);
        let image = image().display().to_string();
        let helper = script(&format!(
            r#"squashfuse -f {image} "$2" & while ! mountpoint -q "$2"; do sleep 0.01; done; kill -STOP $!"#
        ));
        let (send, receive) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || send.send(mount(&helper, "t", LONG)).unwrap());
        let answer = receive.recv_timeout(Duration::from_secs(5));
        signal(&format!("squashfuse -f {image}"), Signal::CONT);
        thread.join().unwrap();
        answer.expect("an answer in time").unwrap();
        assert_eq!(mounted(), ["t"]);
        command_output(Command::new("fusermount3").arg("-u").arg(file("t")));
        gone(&image);
    }

    /// A helper mounts and then hangs: its mount is unmounted, which ends its daemon.
    fn a_mount_of_a_hung_helper_goes() needs [SteadyTime, Root, Tool("squashfuse"), Tool("mksquashfs"), Filesystem("fuse")] {
        mkdirs(scratch(), &["t"]);
        let image = image().display().to_string();
        let helper = script(&format!(r#"squashfuse {image} "$2"; echo mounted; {}"#, marked_sleep()));
        let start = Instant::now();
        let error = mount(&helper, "t", Duration::from_secs(3)).unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(10));
        assert_eq!((error.kind(), error.output()), (ErrorKind::TimedOut, &["mounted".to_owned()][..]), "{error}");
        assert_eq!(mounted(), Vec::<String>::new());
        gone(&image);
    }

    /// mount(8) takes `mount.TYPE.SUBTYPE`, else `mount.TYPE`, and tells it the whole type.
    fn subtypes() needs [] {
        mkdirs(scratch(), &["t"]);
        script_for("mount.some", r#"for word; do echo "[$word]"; done; exit 3"#);
        let dirs = [file("bin")];
        let find = |fstype: &str| Helper::find_in(fstype, &[], &dirs).unwrap();
        let helper = find("some.sub").unwrap();
        assert_eq!(helper.program(), file("bin/mount.some"));
        let error = helper.mount(CWD, "s", &Target::open(CWD, file("t")).unwrap(), &["a".into()], LONG).unwrap_err();
        let target = format!("[{}]", file("t").display());
        assert_eq!(error.output(), ["[s]", &target, "[-o]", "[a]", "[-t]", "[some.sub]"]);
        script_for("mount.some.sub", "");
        assert_eq!(find("some.sub").unwrap().program(), file("bin/mount.some.sub"));
        for none in ["other", "none", "some,other", "", "some/sub", "fuse2.x"] {
            assert_eq!(find(none), None, "{none}");
        }
        assert_eq!(Helper::find_in("fuse.", &dirs, &dirs).unwrap_err().kind(), ErrorKind::HelperMissing);
    }

    /// Only absolute directories are searched, and only programs found.
    fn what_is_searched() needs [] {
        mkdirs(scratch(), &["bin/mount.dir"]);
        write(file("bin/mount.file"), "");
        std::fs::set_permissions(file("bin/mount.file"), PermissionsExt::from_mode(0o644)).unwrap();
        script_for("mount.good", "");
        std::env::set_current_dir(file("bin")).unwrap();
        let find = |fstype: &str, dir: &Path| Helper::find_in(fstype, &[], &[dir.to_owned()]).unwrap();
        for dir in [PathBuf::new(), PathBuf::from("."), PathBuf::from("../bin")] {
            assert_eq!(find("good", &dir), None, "{}", dir.display());
        }
        assert!(find("good", &file("bin")).is_some());
        assert_eq!((find("dir", &file("bin")), find("file", &file("bin"))), (None, None));
        std::env::set_current_dir("/").unwrap();
    }
}
