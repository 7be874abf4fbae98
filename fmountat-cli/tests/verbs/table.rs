// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests list, find and watch as a user types them: rows, tree, widths, colours, status, and JSON
//! compared with findmnt's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fmountat_testing::{binary, command_output, is_real_root, mkdirs, scratch};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, unmount};
use serde_json::Value;
use std::ffi::CString;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

fn file(path: &str) -> PathBuf {
    scratch().join(path)
}

fn tmpfs(source: &str, at: &str) {
    mkdirs(scratch(), &[at]);
    mount(source, file(at), "tmpfs", MountFlags::empty(), Some(c"size=1m")).unwrap();
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary(env!("CARGO_BIN_EXE_fmountat")));
    command.args(arguments).current_dir(scratch()).env_remove("NO_COLOR").env("LC_ALL", "C.UTF-8");
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments).stdin(Stdio::null()).output().unwrap()
}

#[track_caller]
fn ok(arguments: &[&str]) -> String {
    let output = run(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap().replace(scratch().to_str().unwrap(), "DIR")
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Runs the command on a terminal with `columns` columns, by script(1). Returns the output without
/// carriage returns.
fn on_terminal(columns: usize, variables: &[(&str, &str)], arguments: &[&str]) -> String {
    let program = binary(env!("CARGO_BIN_EXE_fmountat"));
    let words: Vec<String> = arguments.iter().map(|word| format!("'{word}'")).collect();
    let line = format!("stty cols {columns}; exec '{}' {}", program.display(), words.join(" "));
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(scratch()).stdin(Stdio::null());
    script.env("TERM", "xterm").env_remove("NO_COLOR").env_remove("COLUMNS").env("LC_ALL", "C.UTF-8");
    command_output(script.envs(variables.iter().copied())).replace('\r', "")
}

fn overlay(layers: usize, at: &str) {
    let lowers: Vec<String> =
        (0..layers).map(|n| file(&format!("layers/{n:04}/fs")).display().to_string()).collect();
    lowers.iter().for_each(|lower| mkdirs("/", &[&lower[1..]]));
    mkdirs(scratch(), &[at]);
    let user = if is_real_root() { "" } else { ",userxattr" };
    let data = CString::new(format!("lowerdir={}{user}", lowers.join(":"))).unwrap();
    mount("overlay", file(at), "overlay", MountFlags::empty(), Some(data.as_c_str())).unwrap();
}

fn watch(arguments: &[&str]) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    (child, lines)
}

/// Mounts and unmounts a tmpfs until watch prints a line with its type. Returns the line and the
/// number of lines read: on a slow machine watch may inspect a mount only after its unmount.
fn first_line(lines: &mut BufReader<std::process::ChildStdout>) -> (String, usize) {
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let again = scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                tmpfs("sign", "sign");
                std::thread::sleep(std::time::Duration::from_millis(5));
                unmount(file("sign"), UnmountFlags::empty()).unwrap();
            }
        });
        let (mut line, mut count) = (String::new(), 1);
        while lines.read_line(&mut line).unwrap() > 0 && !line.contains("tmpfs") {
            line.clear();
            count += 1;
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        again.join().unwrap();
        (line, count)
    })
}

fmountat_testing::cases! {
    /// A tree below a path, by both strategies; stacked mounts one on the other; chosen columns;
    /// types.
    fn list_is_a_tree() needs [Kernel(6, 15), Statmount] {
        tmpfs("one", "t");
        tmpfs("two", "t/a");
        tmpfs("over", "t/a");
        tmpfs("three", "t/b c");
        mkdirs(scratch(), &["t/a/dir", "t/bound"]);
        mount_bind(file("t/a/dir"), file("t/bound")).unwrap();
        let want = "\
TARGET         SOURCE
DIR/t          one
├─DIR/t/a      two
│ └─DIR/t/a    over
├─DIR/t/b c    three
└─DIR/t/bound  over[/dir]
";
        let squeezed = |text: &str| text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>();
        for strategy in ["auto", "statmount", "mountinfo"] {
            assert_eq!(squeezed(&ok(&["list", "--strategy", strategy, "-o", "target,SOURCE", "t"])), squeezed(want), "{strategy}");
        }
        assert_eq!(ok(&["list", "-n", "-l", "-o", "SOURCE", "t"]), "one\ntwo\nover\nthree\nover[/dir]\n");
        assert_eq!(ok(&["list", "-nlv", "-o", "SOURCE", "t/bound"]), "over\n");
        // Kernels built with CONFIG_TMPFS_INODE64 say so of each tmpfs.
        let chosen = ok(&["list", "-n", "-t", "tmpfs,ext4", "-o", "FSTYPE,OPTIONS", "t/b c"]).replace(",inode64", "");
        assert_eq!(chosen, format!("tmpfs rw,relatime,size=1024k{}\n", user_words()));
        assert_eq!(run(&["list", "-t", "notmpfs", "t"]).status.code(), Some(32));
        assert_eq!(run(&["list", "nowhere"]).status.code(), Some(32));
        assert_eq!(run(&["list", "-o", "NOSUCH"]).status.code(), Some(1));
    }

    /// All mounts have the same tree and the same values as in findmnt's JSON; --real and --pseudo
    /// select the same mounts.
    fn json_is_as_findmnt_has_it() needs [Tool("findmnt")] {
        tmpfs("one", "t");
        tmpfs("odd\tsource", "t/a b");
        overlay(5, "merged");
        let findmnt = |arguments: &[&str]| json(&command_output(Command::new("findmnt").args(arguments)));
        let columns = "TARGET,SOURCE,FSTYPE,OPTIONS,ID,PARENT,MAJ:MIN,FSROOT,VFS-OPTIONS,FS-OPTIONS,PROPAGATION";
        assert_eq!(json(&run_text(&["list", "--json"])), findmnt(&["--json"]));
        assert_eq!(json(&run_text(&["list", "--json", "-o", columns])), findmnt(&["--json", "-o", columns]));
        for choice in ["--real", "--pseudo"] {
            let ours = json(&run_text(&["list", "--json", "-l", choice]));
            assert_eq!(ours, findmnt(&["--json", "-l", choice]), "{choice}");
        }
        let ours = json(&run_text(&["find", "--json", file("t/a b").to_str().unwrap()]));
        assert_eq!(ours, findmnt(&["--json", "--target", file("t/a b").to_str().unwrap()]));
    }

    /// Output is limited to the width of the terminal and coloured there; neither applies if stdout
    /// is not a terminal.
    fn on_a_terminal() needs [Tool("script")] {
        tmpfs("a-source-with-a-name-that-is-long", &format!("deep/{}", "long-name/".repeat(12)));
        overlay(30, "merged");
        for columns in [80, 40, 120] {
            let shown = on_terminal(columns, &[("NO_COLOR", "1")], &["list"]);
            assert!(shown.lines().all(|line| line.chars().count() <= columns), "{columns}:\n{shown}");
            assert!(shown.contains('…') && !shown.contains('\u{1b}'), "{shown}");
        }
        let coloured = on_terminal(80, &[], &["list", "-t", "overlay"]);
        assert!(coloured.contains("\u{1b}[36moverlay\u{1b}[0m"), "{coloured}");
        assert!(coloured.contains("30 layers"), "{coloured}");
        // No size: 80.
        let unknown = on_terminal(0, &[("TERM", "dumb")], &["list"]);
        assert!(unknown.lines().all(|line| line.chars().count() <= 80) && !unknown.contains('\u{1b}'), "{unknown}");
        let piped = ok(&["list", "merged"]);
        assert!(piped.contains(",30 layers") && !piped.contains('…') && !piped.contains('\u{1b}'), "{piped}");
        let full = ok(&["list", "--full", "merged"]);
        assert!(full.contains("layers/0029/fs") && !full.contains("30 layers"), "{full}");
    }

    /// Names can't control the terminal.
    fn control_characters_are_escaped() needs [] {
        tmpfs("so\u{1b}[31murce", "new\nline");
        let shown = ok(&["list", "-n", "-o", "TARGET,SOURCE", "new\nline"]);
        assert_eq!(shown, "DIR/new\\nline so\\u{1b}[31murce\n");
        let found = json(&run_text(&["find", "--json", "-o", "TARGET", "new\nline"]));
        assert_eq!(found["filesystems"][0]["target"], file("new\nline").to_str().unwrap());
    }

    /// The mount of a path, of an id, and status for scripts.
    fn find_for_scripts() needs [Kernel(6, 15), Statmount] {
        tmpfs("one", "t");
        mkdirs(scratch(), &["t/in"]);
        for strategy in ["auto", "statmount", "mountinfo"] {
            assert_eq!(ok(&["find", "--strategy", strategy, "-n", "-o", "SOURCE,TARGET", "t/in"]), "one DIR/t\n");
        }
        for column in ["ID", "UNIQ-ID"] {
            let id = ok(&["find", "-n", "-o", column, "t"]);
            assert_eq!(ok(&["find", "-n", "-o", "TARGET", "--id", id.trim()]), "DIR/t\n");
        }
        for (arguments, want) in [
            (&["find", "--mountpoint", "t"][..], 0),
            (&["find", "--mountpoint", "t/in"], 32),
            (&["find", "nowhere"], 32),
            (&["find", "--id", "4"], 32),
            (&["find", "--id", "18446744073709551614"], 32),
            (&["find"], 1),
        ] {
            assert_eq!(run(arguments).status.code(), Some(want), "{arguments:?}");
        }
    }

    /// Lists another namespace, which is given by a process, a file or an id.
    fn of_another_namespace() needs [Tool("unshare")] {
        mkdirs(scratch(), &["t"]);
        let mut child = Command::new("unshare")
            .args(["--mount", "sh", "-euc", "mount -t tmpfs theirs t; echo ready; cat"])
            .current_dir(scratch()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut String::new()).unwrap();
        let path = file("t").to_str().unwrap().to_owned();
        for namespace in [child.id().to_string(), format!("/proc/{}/ns/mnt", child.id())] {
            for strategy in ["auto", "mountinfo"] {
                let shown = ok(&["list", "--strategy", strategy, "-nN", &namespace, "-o", "SOURCE", &path]);
                assert_eq!(shown, "theirs\n");
            }
        }
        assert_eq!(run(&["list", &path]).status.code(), Some(32));
        assert_eq!(run(&["list", "-N", "id:x"]).status.code(), Some(1));
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    /// watch prints a line per event, as text and as JSON, by each strategy. It ends with its
    /// reader, its count and its time.
    fn watch_prints_and_ends() needs [] {
        for strategy in ["auto", "mountinfo"] {
            let (mut child, mut lines) = watch(&["watch", "--strategy", strategy, "."]);
            let (first, _) = first_line(&mut lines);
            assert!(first.contains("sign sign tmpfs rw,relatime,size=1024k"), "{first}");
            // The reader has closed the pipe: watch ends without a message, even if no event
            // follows.
            drop(lines);
            let output = child.wait_with_output().unwrap();
            let message = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.success() && message.lines().all(|line| line.starts_with("fmountat: polling the mount table: ")), "{message}");
            assert!(strategy == "auto" || message.lines().count() == 1, "{message}");
            child = command(&["watch", "--json", "--count", "3", "--strategy", strategy, "."]).stdout(Stdio::piped()).spawn().unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap());
            let (first, read) = first_line(&mut lines);
            let value = json(&first);
            assert!(["mount", "umount"].contains(&value["action"].as_str().unwrap()), "{value}");
            assert_eq!((&value["source"], &value["fstype"]), (&"sign".into(), &"tmpfs".into()));
            tmpfs("x", "x");
            unmount(file("x"), UnmountFlags::empty()).unwrap();
            while child.try_wait().unwrap().is_none() {
                // A mount with the id of the previous one is not an event for a reader that polls
                // the table.
                std::thread::sleep(std::time::Duration::from_millis(20));
                tmpfs("y", "y");
                std::thread::sleep(std::time::Duration::from_millis(20));
                unmount(file("y"), UnmountFlags::empty()).unwrap();
            }
            assert!(child.wait().unwrap().success());
            assert_eq!(read + lines.lines().count(), 3);
        }
        assert_eq!(run(&["watch", "--timeout", "0.05", "."]).status.code(), Some(0));
        assert_eq!(run(&["watch", "--timeout", "0.05", "--count", "1", "."]).status.code(), Some(32));
        assert_eq!(run(&["watch", "--timeout", "-1"]).status.code(), Some(1));
    }

    /// ^C ends it as any other program.
    fn watch_ends_by_a_signal() needs [] {
        use std::os::unix::process::ExitStatusExt;
        let (mut child, mut lines) = watch(&["watch", "."]);
        first_line(&mut lines);
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc_sigint()));
    }
}

fn libc_sigint() -> i32 {
    rustix::process::Signal::INT.as_raw()
}

fn run_text(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the additional options that a tmpfs of a user namespace shows.
fn user_words() -> String {
    let text = std::fs::read_to_string("/proc/self/uid_map").unwrap();
    let own = text.split_whitespace().nth(1).unwrap().to_owned();
    if is_real_root() || own == "0" { String::new() } else { format!(",uid={own},gid={own}") }
}
