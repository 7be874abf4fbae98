// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests the harness with cases that misbehave: each kind of fault must be detected, and what is
//! allowed must pass.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fmountat_testing::{
    Case, Need, binary, command_output, in_own_namespace, is_real_root, mkdirs, mount_flags, mounts_below,
    read, run, scratch, skip, unsupported, write,
};
use rustix::mount::{MountFlags, mount};
use rustix::process::{Pid, Signal};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::Duration;

/// With this variable the binary offers [`FAULTY`] in place of [`CASES`].
const SWITCH: &str = "FMOUNTAT_HARNESS_FAULTY";

fn main() -> ExitCode {
    run(if std::env::var_os(SWITCH).is_some() { FAULTY } else { CASES })
}

const CASES: &[Case] = &[
    Case { name: "every_fault_is_seen", needs: &[], body: every_fault_is_seen },
    Case { name: "a_case_that_hangs_is_killed", needs: &[], body: a_case_that_hangs_is_killed },
    Case { name: "a_run_that_is_ended_leaves_nothing", needs: &[], body: a_run_that_is_ended_leaves_nothing },
    Case { name: "what_can_not_begin_is_reported", needs: &[], body: what_can_not_begin_is_reported },
    Case { name: "mounts_stay_inside", needs: &[], body: mounts_stay_inside },
    Case { name: "the_top_of_a_stack_is_seen", needs: &[], body: the_top_of_a_stack_is_seen },
    Case { name: "unmet_needs_skip_or_fail", needs: &[], body: unmet_needs_skip_or_fail },
    Case {
        name: "only_what_is_declared_is_unsupported",
        needs: &[],
        body: only_what_is_declared_is_unsupported,
    },
    Case { name: "root_is_root", needs: &[Need::Root], body: root_is_root },
    Case { name: "a_user_is_no_root", needs: &[Need::User], body: a_user_is_no_root },
    Case {
        name: "a_loop_device_is_seen",
        needs: &[Need::Root, Need::Tool("losetup")],
        body: a_loop_device_is_seen,
    },
];

const FAULTY: &[Case] = &[
    Case { name: "panic", needs: &[], body: || panic!("the body's own words") },
    Case {
        name: "descriptor",
        needs: &[],
        body: || std::mem::forget(std::fs::File::open("/proc/self/maps")),
    },
    Case { name: "thread", needs: &[], body: || drop(std::thread::spawn(std::thread::park)) },
    Case { name: "child", needs: &[], body: leave_a_child },
    Case { name: "cwd", needs: &[], body: || std::env::set_current_dir("/proc").unwrap() },
    Case { name: "umask", needs: &[], body: open_the_umask },
    Case { name: "loop", needs: &[], body: leave_a_loop_device },
    Case { name: "attach_at", needs: &[], body: || std::thread::sleep(Duration::from_secs(600)) },
    Case { name: "mounts", needs: &[], body: leave_mounts },
    Case { name: "tool", needs: &[Need::Tool("no-such-tool")], body: || {} },
    Case { name: "words", needs: &[], body: || panic!("{UNSUPPORTED}") },
    Case { name: "command_words", needs: &[], body: || panic!("{UNSUPPORTED_COMMAND}") },
    Case { name: "kernel_words", needs: &[Need::Kernel(2, 6)], body: || panic!("{UNSUPPORTED}") },
    Case { name: "calls_words", needs: &[Need::Statmount], body: || panic!("{UNSUPPORTED}") },
    Case { name: "kernel", needs: &[Need::Kernel(99, 1)], body: || {} },
    Case { name: "calls", needs: &[Need::Statmount], body: || {} },
    Case { name: "unsupported", needs: &[], body: || unsupported("no such\nthing here") },
    Case {
        name: "unsupported_in_a_namespace",
        needs: &[],
        body: || in_own_namespace(|| unsupported("not here")),
    },
    Case { name: "unsupported_and_left", needs: &[], body: unsupported_and_left },
    Case { name: "skip", needs: &[], body: || skip("no such program") },
];

/// What `unwrap` says of an error of ours whose kind is "unsupported", and how the command says it.
const UNSUPPORTED: &str = "called `Result::unwrap()` on an `Err` value: [unsupported] build a detached \
                           tree: it can't\n  hint: use Linux 6.15 or newer";
const UNSUPPORTED_COMMAND: &str = "fmountat: run: it can't\n  hint: use Linux 6.15 or newer";

fn unsupported_and_left() {
    open_the_umask();
    unsupported("not here");
}

fn open_the_umask() {
    rustix::process::umask(rustix::fs::Mode::empty());
}

#[allow(clippy::zombie_processes)]
fn leave_a_child() {
    drop(Command::new("true").spawn().unwrap());
}

fn leave_a_loop_device() {
    write(scratch().join("image"), [0; 65536]);
    command_output(Command::new("losetup").arg("-f").arg(scratch().join("image")));
}

/// A tmpfs with something in it, and a directory that nobody can read.
fn leave_mounts() {
    mkdirs(scratch(), &["mounted", "closed/inner"]);
    mount("none", scratch().join("mounted"), "tmpfs", MountFlags::NOSUID, None).unwrap();
    write(scratch().join("mounted/file"), "content");
    std::fs::set_permissions(scratch().join("closed"), std::os::unix::fs::PermissionsExt::from_mode(0o000))
        .unwrap();
}

/// Runs one of [`FAULTY`], its scratch directory in ours; afterwards nothing of it is there.
fn faulty(name: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(binary(std::env::current_exe().unwrap()));
    command.args(["--exact", name]).env(SWITCH, "1").env("TMPDIR", scratch()).env("RUST_BACKTRACE", "0");
    let output = command.env_remove("FMOUNTAT_NO_SKIP").envs(variables.iter().copied()).output().unwrap();
    let left = std::fs::read_dir(scratch()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| name == "bin"), "a scratch directory is left");
    output
}

#[track_caller]
fn assert_fails(output: &Output, with: &str) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && text.contains(with), "no {with:?} in:\n{text}");
}

fn every_fault_is_seen() {
    let words = [
        ("panic", "the body's own words"),
        ("descriptor", "left over: a new descriptor, "),
        ("thread", "left over: 2 threads in place of 1"),
        ("child", "left over: a "),
        ("cwd", "left over: the cwd is /proc in place of /"),
        ("umask", "left over: the umask is 0000 in place of 0022"),
    ];
    for (name, with) in words {
        assert_fails(&faulty(name, &[]), with);
    }
}

fn a_case_that_hangs_is_killed() {
    assert_fails(&faulty("attach_at", &[("FMOUNTAT_TEST_SECONDS", "1")]), "not done after 1 s, killed");
}

/// Told to end, it kills its cases and takes away what it made for them.
fn a_run_that_is_ended_leaves_nothing() {
    let mut command = Command::new(binary(std::env::current_exe().unwrap()));
    command.args(["--exact", "attach_at"]).env(SWITCH, "1").env("TMPDIR", scratch());
    let mut run = command.stdout(Stdio::null()).spawn().unwrap();
    let made = || {
        let names = std::fs::read_dir(scratch()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name != "bin").count()
    };
    while made() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    rustix::process::kill_process(Pid::from_child(&run), Signal::TERM).unwrap();
    assert_eq!(run.wait().unwrap().signal(), Some(Signal::TERM.as_raw()));
    assert_eq!(made(), 0, "a scratch directory is left");
}

/// Whoever counts the results would miss a failed case that has no line.
fn what_can_not_begin_is_reported() {
    let results = scratch().join("results");
    write(&results, "");
    let mut command = Command::new(binary(std::env::current_exe().unwrap()));
    command.args(["--exact", "mounts"]).env(SWITCH, "1").env("TMPDIR", scratch().join("none"));
    assert!(!command.env("FMOUNTAT_RESULTS", &results).output().unwrap().status.success());
    assert!(read(&results).starts_with("case mounts failed "), "{}", read(&results));
}

fn mounts_stay_inside() {
    let before = mounts_below("/");
    let output = faulty("mounts", &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(mounts_below("/"), before);
}

fn the_top_of_a_stack_is_seen() {
    mkdirs(scratch(), &["a b"]);
    let target = scratch().join("a b");
    for flags in [MountFlags::NOEXEC, MountFlags::NODEV, MountFlags::NOSUID] {
        mount("none", &target, "tmpfs", flags, None).unwrap();
    }
    assert_eq!(mounts_below(&target).len(), 3);
    let flags = mount_flags(&target);
    assert!(flags.contains("nosuid") && !flags.contains("noexec") && !flags.contains("nodev"), "{flags}");
}

fn unmet_needs_skip_or_fail() {
    let skipped = faulty("tool", &[]);
    let why = "needs the program no-such-tool in PATH";
    assert!(skipped.status.success());
    assert_eq!(String::from_utf8_lossy(&skipped.stderr), format!("skipped: tool: {why}\n"));
    assert!(String::from_utf8_lossy(&skipped.stdout).contains("1 ignored"));
    assert_fails(&faulty("tool", &[("FMOUNTAT_NO_SKIP", "1")]), why);
}

/// The text of an error does not decide anything, whatever the case needs. What a case declares is
/// counted with its reason.
fn only_what_is_declared_is_unsupported() {
    for name in ["words", "command_words", "kernel_words", "calls_words"] {
        assert_fails(&faulty(name, &[]), "hint: use Linux 6.15 or newer");
    }
    assert_fails(&faulty("calls_words", &[("FMOUNTAT_FILTER", "pidfd-enosys")]), "[unsupported]");
    assert_fails(&faulty("unsupported_and_left", &[]), "left over: the umask");
    let by_filter = "needs statmount(2), which the filter statmount-enosys forbids";
    for (name, filter, word, why) in [
        ("kernel", "", "unsupported", "needs Linux 99.1"),
        ("calls", "statmount-enosys", "unsupported", by_filter),
        ("calls_words", "statmount-enosys", "unsupported", by_filter),
        ("unsupported", "", "unsupported", "no such thing here"),
        ("unsupported_in_a_namespace", "", "unsupported", "not here"),
        ("skip", "", "skipped", "no such program"),
    ] {
        let results = scratch().join("bin/results");
        write(&results, "");
        let variables = [("FMOUNTAT_FILTER", filter), ("FMOUNTAT_RESULTS", results.to_str().unwrap())];
        let output = faulty(name, &variables);
        assert!(output.status.success(), "{name}: {output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), format!("{word}: {name}: {why}\n"));
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("0 passed; 0 failed; 1 ignored"),
            "{output:?}"
        );
        let line = read(&results);
        assert!(
            line.starts_with(&format!("case {name} {word} ")) && line.ends_with(&format!(" {why}\n")),
            "{line}"
        );
        assert_fails(&faulty(name, &[variables[0], ("FMOUNTAT_NO_SKIP", "1")]), why);
    }
    let output = faulty("calls", &[]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
}

fn root_is_root() {
    assert!(is_real_root());
    assert_eq!(std::env::current_dir().unwrap(), Path::new("/"));
}

fn a_user_is_no_root() {
    assert!(!is_real_root());
    assert_eq!(read("/proc/self/setgroups").trim(), "deny");
    assert_eq!(std::env::var_os("HOME").unwrap(), *scratch());
    assert_eq!(scratch().metadata().unwrap().uid(), 0, "its owner is who this namespace calls root");
    assert_ne!(Path::new("/").metadata().unwrap().uid(), 0);
    let mut list = Command::new(binary(std::env::current_exe().unwrap()));
    assert!(command_output(list.arg("--list")).contains("a_user_is_no_root"));
}

fn a_loop_device_is_seen() {
    let output = faulty("loop", &[]);
    // The file no longer exists. The device does: it was attached without autoclear.
    for line in command_output(Command::new("losetup").args(["-nl", "-O", "NAME,BACK-FILE"])).lines() {
        let (device, file) = line.split_once(' ').unwrap();
        if Path::new(file.trim()).starts_with(scratch()) {
            command_output(Command::new("losetup").args(["-d", device]));
        }
    }
    assert_fails(&output, "left over: loop");
}
