// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Failures whose cause is not where the errno points to, and results that nobody can be given.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fmountat_testing::{binary, mkdirs, mounts_below, scratch, write};
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

fn file(path: &str) -> PathBuf {
    scratch().join(path)
}

fn fmountat() -> PathBuf {
    binary(env!("CARGO_BIN_EXE_fmountat"))
}

/// Runs `program`, which may start `fmountat` for its part, in the scratch directory.
fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).current_dir(scratch()).stdin(Stdio::null()).output().unwrap()
}

#[track_caller]
fn fails(output: &Output, with: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains(with), "no `{with}`: {output:?}");
}

fmountat_testing::cases! {
    /// A helper's mount where no helper can be called.
    fn where_helpers_cannot_be_used() needs [Root] {
        mkdirs(scratch(), &["t"]);
        write(file("bin/mount.fuse3"), "#!/bin/sh\nexit 1\n");
        std::fs::set_permissions(file("bin/mount.fuse3"), PermissionsExt::from_mode(0o755)).unwrap();
        write(file("set.json"), r#"[{"type": "fuse3.some", "source": "x"}]"#);
        fmountat::fmountat(rustix::fs::CWD, "x", file("t"), "tmpfs", fmountat::MountFlags::empty(), "").unwrap();
        let (me, target) = (std::process::id().to_string(), file("t").display().to_string());
        for arguments in [
            &["mount", "--into", &me, "-t", "fuse3.some", "x", &target][..],
            &["apply", "--replace", "set.json", "t"],
        ] {
            let path = format!("{}:/usr/bin:/bin", file("bin").display());
            let output = Command::new(fmountat()).args(arguments).env("PATH", path).current_dir(scratch()).output();
            fails(&output.unwrap(), "build the set fuse3.some: its mount helper ");
        }
    }

    /// A user namespace without uid and gid maps: before Linux 6.9 the kernel accepts it and maps
    /// nothing.
    fn a_namespace_without_maps() needs [Kernel(6, 9), Root, Tool("unshare"), Tool("sleep")] {
        mkdirs(scratch(), &["s", "t"]);
        let mut empty = Command::new("unshare").args(["--user", "sleep", "60"]).spawn().unwrap();
        let namespace = format!("/proc/{}/ns/user", empty.id());
        let own = std::fs::read_link("/proc/self/ns/user").unwrap();
        while std::fs::read_link(&namespace).unwrap() == own {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let word = format!("bind,X-mount.idmap={namespace}");
        let output = run(fmountat().to_str().unwrap(), &["mount", "-o", &word, "s", "t"]);
        empty.kill().unwrap();
        empty.wait().unwrap();
        fails(&output, "id-map mount s: the user namespace has no id mappings yet");
    }

    /// For root in a user namespace the hint names the other namespace that is missing.
    fn a_namespace_that_is_missing() needs [Tool("unshare")] {
        mkdirs(scratch(), &["t"]);
        let program = fmountat();
        for (fstype, hint) in [("proc", "--pid"), ("mqueue", "--ipc"), ("sysfs", "--net"), ("cgroup2", "--cgroup")] {
            let line = ["-Urm", program.to_str().unwrap(), "mount", "-t", fstype, "x", "t"];
            fails(&run("unshare", &line), hint);
        }
    }

    /// For a type that has no image, the hint suggests no FUSE.
    fn a_type_of_the_initial_user_namespace() needs [Tool("unshare")] {
        mkdirs(scratch(), &["t"]);
        let program = fmountat();
        for (fstype, hint, is_image) in [("debugfs", "bind it here", false), ("ext4", "fuse2fs", true)] {
            write(file("image"), "");
            let source = if is_image { "image" } else { "x" };
            let output = run("unshare", &["-Urm", program.to_str().unwrap(), "mount", "-t", fstype, source, "t"]);
            fails(&output, hint);
            assert_eq!(String::from_utf8_lossy(&output.stderr).contains("FUSE"), is_image, "{output:?}");
        }
        let line = ["-Urm", program.to_str().unwrap(), "mount", "-t", "tmpfs", "-o", "X-mount.mkdir=755:9:9", "x", "new"];
        fails(&run("unshare", &line), "the user or group is not mapped in this user namespace");
    }

    /// The part of a relative path that is at fault, for each verb; `-C` moves where it starts.
    fn relative_paths() needs [Root] {
        mkdirs(scratch(), &["in"]);
        for (to, link) in [("nowhere", "in/loose"), ("endless", "in/endless")] {
            std::os::unix::fs::symlink(to, file(link)).unwrap();
        }
        write(file("in/set.json"), r#"[{"type": "tmpfs", "source": "x"}]"#);
        let program = fmountat();
        for (path, hint) in [
            ("loose", "loose is a symbolic link to nowhere, which does not exist"),
            ("none/deep", "`none` does not exist in the starting directory"),
            ("endless", "endless is a symbolic link to endless: links that lead in a circle"),
        ] {
            for line in ["apply -C in set.json", "explain -C in set.json", "mount -C in -t tmpfs x", "mount -C in -f -t tmpfs x"] {
                let arguments: Vec<&str> = line.split(' ').chain([path]).collect();
                fails(&run(program.to_str().unwrap(), &arguments), hint);
            }
            let output = Command::new(&program).args(["find", path]).current_dir(file("in")).output().unwrap();
            fails(&output, hint);
        }
    }

    /// A chroot's root is no mount.
    fn in_a_chroot() needs [Root, Tool("chroot")] {
        let program = fmountat();
        for (from, to) in [("/usr", "c/usr"), ("/lib", "c/lib"), ("/lib64", "c/lib64")] {
            mkdirs(scratch(), &[to]);
            if std::path::Path::new(from).exists() {
                rustix::mount::mount_bind(from, file(to)).unwrap();
            }
        }
        std::fs::copy(program, file("c/fmountat")).unwrap();
        fails(&run("chroot", &["c", "/fmountat", "run", "--lower", "/", "--", "true"]), "is not a mount point (chroot)");
    }

    /// An error about a detached mount names the source of the mount. An unexplained error has the
    /// errno.
    fn words_for_what_is_not_there() needs [Root] {
        mkdirs(scratch(), &["s", "t"]);
        let program = fmountat();
        let program = program.to_str().unwrap();
        fails(&run(program, &["mount", "-o", "bind,ro,X-mount.mode=0600", "s", "t"]), "set mode of the root of s: ");
        fails(&run(program, &["mount", "-t", "tmpfs", "-o", "ro,X-mount.owner=5", "x", "t"]), "set owner of the root of x: ");
        fails(&run(program, &["mount", "--into", "4000000", "-t", "tmpfs", "x", "/t"]), "(ESRCH)");
    }

    /// An ordinary user cannot mount an image: the hint names the requirement, not the step that
    /// would fail next.
    fn an_image_of_an_ordinary_user() needs [User] {
        mkdirs(scratch(), &["t"]);
        // Somebody else's file, which can be read.
        let output = run(fmountat().to_str().unwrap(), &["mount", "-t", "ext4", "-o", "loop", "/etc/passwd", "t"]);
        fails(&output, "loop control");
    }

    /// If the result cannot be written, the command fails and prints the ids on stderr. The mount
    /// remains.
    fn a_result_that_cannot_be_written() needs [] {
        mkdirs(scratch(), &["t"]);
        let into_full = |arguments: &[&str]| {
            let full = File::options().write(true).open("/dev/full").unwrap();
            Command::new(fmountat()).args(arguments).current_dir(scratch()).stdout(full).output().unwrap()
        };
        let output = into_full(&["--json", "mount", "-t", "tmpfs", "x", "t"]);
        assert_eq!((output.status.code(), mounts_below(scratch()).len()), (Some(2), 1));
        fails(&output, "\"id\":");
        fails(&output, "write the result");
        let output = into_full(&["--json", "umount", "t"]);
        assert_eq!((output.status.code(), mounts_below(scratch()).len()), (Some(2), 0));
        for arguments in [&["--help"][..], &["--version"], &["list"], &["find", "--mountpoint", "/"], &["--json", "find", "/"], &["doctor"]] {
            let output = into_full(arguments);
            assert_eq!(output.status.code(), Some(2), "{arguments:?}");
            fails(&output, "write the result");
            fails(&output, "no space left on device");
        }
        assert_eq!(into_full(&["mount", "-t", "tmpfs", "x", "t"]).status.code(), Some(0));
    }

    /// A reader that closes the pipe has read enough.
    fn a_closed_pipe_is_no_error() needs [] {
        for arguments in [&["--help"][..], &["run", "--help"], &["--version"], &["list"], &["doctor"]] {
            let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
            drop(reader);
            let output = Command::new(fmountat()).args(arguments).stdout(writer).output().unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {output:?}");
        }
    }

    /// A set that `apply --into` printed has no ids.
    fn a_set_without_ids() needs [] {
        write(file("set.json"), r#"{"target": "t", "set": null}"#);
        fails(&run(fmountat().to_str().unwrap(), &["umount", "--set", "set.json"]), "has no ids");
    }
}
