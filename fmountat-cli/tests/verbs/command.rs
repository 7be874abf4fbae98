// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests mount, apply and umount as a user types them: exit status, messages, JSON and other
//! namespaces.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fmountat_testing::{binary, mkdirs, mount_flags, mounts_below, read, scratch, write};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

fn file(path: &str) -> PathBuf {
    scratch().join(path)
}

/// Runs the command in the scratch directory with `input` on its stdin.
fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(binary(env!("CARGO_BIN_EXE_fmountat")))
        .args(arguments)
        .current_dir(scratch())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The command may have ended without reading stdin.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn status(arguments: &[&str]) -> i32 {
    run(arguments, "").status.code().unwrap()
}

#[track_caller]
fn ok(arguments: &[&str], input: &str) -> String {
    let output = run(arguments, input);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn mounted() -> usize {
    mounts_below(scratch()).len()
}

const TWO: &str = r#"[{"type": "tmpfs", "source": "a", "options": ["nosuid"]},
    {"type": "tmpfs", "source": "b", "target": "/in/it", "options": ["X-mount.mkdir,noexec"]}]"#;

fmountat_testing::cases! {
    /// A list that never ends, and one that is nested without end.
    fn the_size_of_a_list_is_bounded() needs [] {
        mkdirs(scratch(), &["t"]);
        write(file("deep"), "[".repeat(1_000_000));
        write(file("deeper"), r#"[{"type": "tmpfs", "source": "x", "options": "#.to_owned() + &"[".repeat(1_000_000));
        for (spec, reason) in [("/dev/zero", "is larger than 64 MiB"), ("deep", "line 1"), ("deeper", "line 1")] {
            for verb in ["apply", "explain"] {
                let output = run(&[verb, spec, "t"], "");
                let text = String::from_utf8_lossy(&output.stderr).into_owned();
                assert_eq!(output.status.code(), Some(1), "{verb} {spec}: {text}");
                assert!(text.contains(reason), "{verb} {spec}: {text}");
            }
        }
        let output = run(&["umount", "--set", "/dev/zero"], "");
        assert!(String::from_utf8_lossy(&output.stderr).contains("is larger than 64 MiB"));
    }

    /// A strict swap decides once: each place where a mount helper may be is looked at one time.
    fn a_strict_swap_asks_once() needs [Kernel(6, 15), Root, Tool("strace")] {
        mkdirs(scratch(), &["t"]);
        // No helper is searched for a tmpfs.
        let two = TWO.replace("\"tmpfs\"", "\"ramfs\"");
        ok(&["apply", "-", "t"], &two);
        write(file("two.json"), two);
        let mut strace = Command::new("strace");
        strace.args(["-f", "-o", "log"]).arg(binary(env!("CARGO_BIN_EXE_fmountat")));
        strace.args(["apply", "--strict", "--replace", "two.json", "t"]).current_dir(scratch());
        assert!(strace.status().unwrap().success());
        let log = read(file("log"));
        let looks = || log.lines().filter(|line| line.contains("/mount.ramfs\"")).filter_map(|line| line.split('"').nth(1));
        let places: std::collections::HashSet<_> = looks().collect();
        assert_eq!((places.is_empty(), looks().count()), (false, places.len()), "{places:?}");
        ok(&["umount", "-R", "t"], "");
    }

    /// Exit status as for mount(8): 1 for usage or permission, 32 for a failed mount, 0 for
    /// success. Nothing is mounted after a failure.
    fn exit_status() needs [] {
        mkdirs(scratch(), &["t"]);
        write(file("bad.json"), "[{]");
        write(file("old.json"), r#"{"id": 4294967297, "set": [4294967297], "boot": "another"}"#);
        let before = mounted();
        for (arguments, want) in [
            (&["--help"][..], 0),
            (&["--version"], 0),
            (&[], 1),
            (&["mount"], 1),
            (&["nosuchverb"], 1),
            (&["rnu"], 1),
            (&["mount", "a", "t"], 32),
            (&["mount", "-o", "loop,bind", "a", "t"], 1),
            (&["mount", "-o", "X-containerd.a", "-t", "tmpfs", "a", "t"], 1),
            (&["mount", "-t", "nosuchfs", "a", "t"], 32),
            (&["mount", "-t", "tmpfs", "a", "nowhere"], 32),
            (&["mount", "-t", "tmpfs", "-o", "nosuchword", "a", "t"], 32),
            (&["mount", "-C", "nowhere", "-t", "tmpfs", "a", "t"], 1),
            (&["apply", "bad.json", "t"], 1),
            (&["apply", "missing.json", "t"], 1),
            (&["umount", "--set", "missing.json"], 1),
            (&["umount", "--set", "old.json"], 32),
            (&["mount", "-o", "bind,nofail,X-mount.mkdir", "missing", "made"], 0),
            (&["umount", "t"], 32),
            (&["umount"], 1),
        ] {
            assert_eq!(status(arguments), want, "{arguments:?}");
            assert_eq!(mounted(), before, "{arguments:?}");
        }
        ok(&["mount", "-t", "tmpfs", "a", "t"], "");
        ok(&["umount", "t"], "");
        // The mount point of a file is a file, whether the type or an option requests the bind.
        ok(&["mount", "-t", "bind", "-o", "X-mount.mkdir", "bad.json", "made"], "");
        ok(&["umount", "made"], "");
    }

    /// Binds, options, remounts and propagation options as for mount(8). -C sets the start of
    /// relative paths.
    fn mount_as_mount_8() needs [] {
        mkdirs(scratch(), &["d/s", "d/t"]);
        write(file("d/f"), "a file");
        write(file("d/g"), "");
        ok(&["mount", "-C", "d", "-o", "bind,ro", "-o", "nosuid", "s", "t"], "");
        assert_eq!(mount_flags(file("d/t")), "ro,nosuid,relatime");
        ok(&["mount", "-o", "remount,bind,rw", "none", "d/t"], "");
        assert_eq!(mount_flags(file("d/t")), "rw,nosuid,relatime");
        ok(&["mount", "-o", "shared", "none", "d/t"], "");
        ok(&["mount", "-o", "private", "none", "d/t"], "");
        ok(&["mount", "-C", "d", "-t", "bind", "f", "g"], "");
        assert_eq!(read(file("d/g")), "a file");
        ok(&["mount", "-t", "tmpfs", "-o", "X-mount.mkdir=0700", "x", "d/new/place"], "");
        ok(&["umount", "d/new/place", "d/g", "d/t"], "");
    }

    /// --compat containerd ignores an option without effect and lists it, for a new mount and for a
    /// remount.
    fn what_compat_ignores_is_listed() needs [] {
        mkdirs(scratch(), &["s", "t"]);
        let compat = ["--json", "mount", "--compat", "containerd"];
        for (arguments, ignored) in [
            (&["-o", "bind,sync,ro=fs,size=1m", "s", "t"][..], &["sync", "ro=fs", "size=1m"][..]),
            (&["-o", "remount,bind,sync,nodev,size=1m", "none", "t"], &["sync", "size=1m"]),
            (&["-o", "remount,dirsync,X-mount.mkdir,noexec", "none", "t"], &["dirsync", "X-mount.mkdir"]),
            (&["-o", "bind,nofail,dirsync", "missing", "t"], &["dirsync"]),
        ] {
            assert_eq!(status(&[&["mount"], arguments].concat()), 1, "{arguments:?}");
            let text = ok(&[&compat, arguments].concat(), "");
            let options: Vec<String> =
                ignored.iter().map(|option| format!(r#"{{"mount":1,"option":"{option}"}}"#)).collect();
            let want = format!("\"ignored\":[{}]", options.join(","));
            assert!(text.contains(&want), "{arguments:?}: {text} has no {want}");
        }
        assert_eq!(mount_flags(file("t")), "rw,nodev,noexec,relatime");
        let output = run(&["mount", "--compat", "containerd", "-o", "remount,dirsync", "none", "t"], "");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "fmountat: mount 1: ignored: dirsync\n");
    }

    /// --verbose prints the library's events on stderr, as text or JSON, and does not change the
    /// result. `run` passes it to its init.
    fn verbose_prints_each_step() needs [Root] {
        mkdirs(scratch(), &["t"]);
        let output = run(&["apply", "--verbose", "-", "t"], TWO);
        let text = String::from_utf8(output.stderr).unwrap();
        let step = "fmountat: step mount=2 mount_point=\"/in/it\" fstype=\"tmpfs\"\n";
        assert!(text.contains(step) && text.contains("fmountat: strategy operation=\"publish a set\""), "{text}");
        assert!(output.status.success() && output.stdout.is_empty(), "{text}");
        let output = run(&["--json", "--verbose", "apply", "-", "t"], TWO);
        let text = String::from_utf8(output.stderr).unwrap();
        let values: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let step = serde_json::json!({"event": "step", "fields": {"mount": 2, "mount_point": "/in/it", "fstype": "tmpfs"}});
        assert!(values.contains(&step) && String::from_utf8(output.stdout).unwrap().lines().count() == 1, "{text}");
        ok(&["umount", "-R", "--all", "t"], "");
        let output = run(&["--verbose", "run", "--lower", "/", "--", "true"], "");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && text.contains("fmountat: step mount=1 mount_point=\"/proc\""), "{text}");
    }

    /// A set from stdin and from a file, its JSON result, --view, --replace, --strict.
    fn apply_and_its_flags() needs [] {
        mkdirs(scratch(), &["t"]);
        write(file("set.json"), TWO);
        let value = ok(&["--json", "apply", "--strict", "set.json", "t"], "");
        assert!(value.contains("\"mounts\":2") && value.contains("\"target\":\"t\""), "{value}");
        assert!(mount_flags(file("t/in/it")).contains("noexec"));
        write(file("t/old"), "");
        ok(&["apply", "--replace", "-", "t"], TWO);
        assert!(!file("t/old").exists());
        assert_eq!(mounts_below(file("t")).len(), 2);
        ok(&["umount", "-R", "t"], "");
        assert_eq!(status(&["apply", "--replace", "set.json", "t"]), 32);
        mkdirs(scratch(), &["s"]);
        ok(&["apply", "--view", "-", "t"], r#"{"mounts": [{"type": "bind", "source": "s", "destination": "/"}]}"#);
        assert!(mount_flags(file("t")).starts_with("ro"));
        ok(&["umount", "t"], "");
    }

    /// An error has the documented fields with --json; without it, its text is escaped for a
    /// terminal.
    fn errors_are_documented_and_escaped() needs [] {
        mkdirs(scratch(), &["t", "l"]);
        let odd = "lowerdir=l:no\u{1b}[31m";
        let output = run(&["--json", "mount", "-t", "overlay", "-o", odd, "x", "t"], "");
        let text = String::from_utf8(output.stderr).unwrap();
        for field in ["\"code\":\"layer-missing\"", "\"step\":\"open layer 2\"", "\"call\":\"openat\"", "\"errno\":2", "\"kernel\":[]", "\"hint\":", "\"argument\":"] {
            assert!(text.contains(field), "{field} in {text}");
        }
        let output = run(&["mount", "-t", "overlay", "-o", odd, "x", "t"], "");
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(text, "fmountat: open layer 2 $'no\\x1b[31m': no such file or directory (ENOENT)\n");
    }

    /// umount with several targets, of which all errors are reported; a busy mount, within the time
    /// limit; recursive; lazy; symbolic links not followed.
    fn umount_and_its_flags() needs [SteadyTime] {
        mkdirs(scratch(), &["a", "b"]);
        ok(&["apply", "-", "a"], TWO);
        let start = std::time::Instant::now();
        assert_eq!(status(&["umount", "a"]), 32);
        assert!(start.elapsed() < std::time::Duration::from_secs(1), "it waited for mounts below");
        ok(&["mount", "-t", "tmpfs", "x", "b"], "");
        let held = std::fs::File::create(file("b/held")).unwrap();
        let output = run(&["umount", "--timeout", "0.1", "nowhere", "b"], "");
        assert_eq!(String::from_utf8_lossy(&output.stderr).matches("fmountat: ").count(), 2);
        ok(&["umount", "-l", "b"], "");
        drop(held);
        std::os::unix::fs::symlink("a", file("link")).unwrap();
        assert_eq!(status(&["umount", "-R", "link"]), 32);
        ok(&["umount", "-R", "a"], "");
        assert_eq!(mounted(), 0);
    }

    /// --into mounts in another process's namespace, below its root, and not in ours.
    fn into_another_namespace() needs [Tool("unshare")] {
        mkdirs(scratch(), &["t", "s"]);
        write(file("s/who"), "from outside");
        let mut other = Command::new("unshare").args(["--mount", "sh", "-c", "echo ready; read line; cat t/who"])
            .current_dir(scratch()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = other.stdout.take().unwrap();
        let mut ready = [0u8; 6];
        std::io::Read::read_exact(&mut out, &mut ready).unwrap();
        let target = file("t");
        ok(&["mount", "--into", &other.id().to_string(), "-o", "bind", "s", target.to_str().unwrap()], "");
        let new = file("new/deep");
        ok(&["mount", "--into", &other.id().to_string(), "-t", "tmpfs", "-o", "X-mount.mkdir", "x", new.to_str().unwrap()], "");
        let set = r#"[{"type": "tmpfs", "source": "x"}, {"type": "tmpfs", "source": "x", "target": "in", "options": ["X-mount.mkdir"]}]"#;
        let by_file = format!("/proc/{}/ns/mnt", other.id());
        ok(&["apply", "--into", &by_file, "-", new.to_str().unwrap()], set);
        let table = std::fs::read_to_string(format!("/proc/{}/mountinfo", other.id())).unwrap();
        assert_eq!(table.matches(new.to_str().unwrap()).count(), 3, "{table}");
        let rootless = r#"[{"type": "tmpfs", "source": "x", "target": "in"}]"#;
        assert_eq!(run(&["apply", "--into", &by_file, "-", new.to_str().unwrap()], rootless).status.code(), Some(1));
        assert_eq!(mounted(), 0);
        writeln!(other.stdin.take().unwrap()).unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut out, &mut text).unwrap();
        assert_eq!(text, "from outside");
        other.wait().unwrap();
        for no_such in ["0", "-1", "nowhere", "s/who"] {
            assert_eq!(status(&["mount", &format!("--into={no_such}"), "-t", "tmpfs", "x", "/"]), 32, "{no_such}");
        }
    }
}
