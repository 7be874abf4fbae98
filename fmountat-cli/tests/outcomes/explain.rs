// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Compares `fmountat explain` with `fmountat apply`: the same exit status over valid and invalid
//! sets, and explain changes nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod specs;
mod trace;

use crate::fixture::{mounts, with_fixture};
use fmountat_testing::{binary, command_output, mkdirs, mounts_below, scratch, times, write};
use specs::{Spec, specs};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs a verb in the directory. The command line `prefix` starts it.
fn run_behind(prefix: &[&str], dir: &Path, verb: &str, spec: &Spec) -> Output {
    let program = scratch().join("fmountat");
    if !program.exists() {
        std::fs::copy(binary(env!("CARGO_BIN_EXE_fmountat")), &program).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let words: Vec<&OsStr> = prefix.iter().map(OsStr::new).chain([program.as_os_str()]).collect();
    Command::new(words[0])
        .args(&words[1..])
        .arg(verb)
        .args(&spec.flags)
        .args(["set.json", spec.target])
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn run(dir: &Path, verb: &str, spec: &Spec) -> Output {
    run_behind(&[], dir, verb, spec)
}

fn make_image() {
    let image = scratch().join("image");
    File::create(&image).unwrap().set_len(4 << 20).unwrap();
    command_output(Command::new("mkfs.ext4").arg("-q").arg(&image));
}

/// Returns the names, types and times of all files below `dir`.
fn listing(dir: &Path) -> String {
    command_output(Command::new("find").arg(dir).args(["-printf", "%p %m %u %s %T@\\n"]))
}

/// The relation of explain's outcome and apply's, if they do not contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The same status, and in a failure the same first line.
    SameWords,
    SameStatus,
    /// apply failed in a part that explain had reported as unknown.
    NotToBeTold,
}

fn beside_apply(prefix: &[&str], spec: &Spec) -> Result<Verdict, String> {
    with_fixture(|dir| {
        write(dir.join("set.json"), &spec.json);
        let before = (mounts(dir), listing(dir));
        let explained = run_behind(prefix, dir, "explain", spec);
        let after = (mounts(dir), listing(dir));
        let applied = run_behind(prefix, dir, "apply", spec);
        let (ours, theirs) = (explained.status.code(), applied.status.code());
        let words = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
        let difference = format!(
            "{:?} {}\n  explain {ours:?}: {}  apply {theirs:?}: {}",
            spec.flags,
            spec.json,
            words(&explained),
            words(&applied)
        );
        if before.0 != after.0 {
            return Err(format!("explain mounted something: {difference}"));
        }
        if before.1 != after.1 {
            return Err(format!("explain changed files: {difference}"));
        }
        let first = |output: &Output| words(output).lines().next().unwrap_or_default().to_owned();
        let caveat = String::from_utf8_lossy(&explained.stdout);
        let has_caveat = caveat.contains("can't be checked before the file system that contains it")
            || caveat.contains("not run by explain");
        let is_not_asked = caveat.contains("nobody can be asked");
        match ours == theirs {
            true if ours == Some(0) || first(&explained) == first(&applied) => Ok(Verdict::SameWords),
            true => Ok(Verdict::SameStatus),
            false if (ours == Some(0) && has_caveat) || is_not_asked => Ok(Verdict::NotToBeTold),
            false => Err(difference),
        }
    })
}

fn compare(prefix: &[&str], specs: &[Spec]) {
    let some: Vec<&Spec> = specs.iter().step_by(8 / times(8, 8)).collect();
    let results: Vec<_> = some.iter().map(|spec| (spec, beside_apply(prefix, spec))).collect();
    let wrong: Vec<&String> = results.iter().filter_map(|(_, result)| result.as_ref().err()).collect();
    let count = |verdict| results.iter().filter(|(_, result)| *result == Ok(verdict)).count();
    let (same, status, untold) =
        (count(Verdict::SameWords), count(Verdict::SameStatus), count(Verdict::NotToBeTold));
    println!(
        "counted: {} sets: {same} the same to the word, {status} the same status in other words, {untold} that explain said it \
         can't tell, {} wrong",
        some.len(),
        wrong.len()
    );
    for wrong in &wrong {
        println!("{wrong}");
    }
    assert!(wrong.is_empty());
}

const GOOD: &str = r#"[{"type": "overlay", "source": "overlay", "options": ["lowerdir=2/fs:1/fs"]},
 {"type": "tmpfs", "source": "tmpfs", "target": "/tmp", "options": ["mode=1777", "X-mount.mkdir"]}]"#;

fmountat_testing::cases! {
    /// Explains and then applies each set: the exit status is the same, and explain changes
    /// nothing.
    fn the_exit_status_is_that_of_apply() needs [Root, Tool("mkfs.ext4"), Tool("losetup"), Filesystem("ext4"), Filesystem("overlay")] {
        make_image();
        compare(&[], &specs());
    }

    /// As above, in a user namespace, where the kernel refuses more sets.
    fn in_a_user_namespace_too() needs [User, Filesystem("overlay")] {
        let without_images: Vec<Spec> = specs().into_iter().filter(|spec| !spec.json.contains("\"image\"")).collect();
        compare(&[], &without_images);
    }

    /// As above, for a user who may not mount.
    fn without_privilege_too() needs [Root, Tool("setpriv"), Filesystem("overlay")] {
        let some: Vec<Spec> = specs().into_iter().filter(|spec| !spec.json.contains("\"image\"")).step_by(3).collect();
        compare(&["setpriv", "--bounding-set", "-sys_admin"], &some);
        compare(&["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"], &some);
    }

    /// explain makes no system call that changes anything, for valid and invalid sets.
    fn nothing_is_changed() needs [Root, Tool("strace"), Tool("mkfs.ext4"), Filesystem("ext4"), Filesystem("overlay")] {
        make_image();
        let specs = specs();
        let (mut calls, mut wrong) = (0, Vec::new());
        for spec in specs.iter().step_by(4) {
            let log = trace::of(spec);
            calls += log.lines().count();
            wrong.extend(trace::changes(&log).into_iter().map(|call| format!("{}\n  {call}", spec.json)));
        }
        println!("counted: {} sets, {calls} system calls, {} that change something", specs.len().div_ceil(4), wrong.len());
        assert_eq!(wrong, Vec::<String>::new());
        // The check is able to find such calls: it finds those of apply.
        assert!(trace::changes(&trace::of_verb("apply", &specs[0])).len() > 2);
    }

    /// For an ordinary user, explain reports both that the set works in a user namespace and that
    /// the host requires a privilege.
    fn privilege_is_looked_at() needs [] {
        mkdirs(scratch(), &["1/fs", "2/fs/tmp", "t"]);
        let spec = Spec { json: GOOD.to_owned(), flags: Vec::new(), target: "t" };
        write(scratch().join("set.json"), GOOD);
        let output = run(&scratch(), "explain", &spec);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains("overlay of 2 layers, read-only") && text.ends_with("It should work.\n"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert_eq!(mounts_below(scratch().join("t")), Vec::<String>::new());
    }

    /// Without /proc explain knows less and does not report the unknown as missing. (The strategies
    /// for older kernels need /proc.)
    fn without_proc_too() needs [Kernel(6, 15), Root, Tool("unshare"), Filesystem("overlay")] {
        let behind = ["unshare", "--mount", "sh", "-c", "umount -l /proc; exec \"$@\"", "sh"];
        let specs: Vec<Spec> = specs().into_iter().filter(|spec| spec.json.matches("\"type\"").count() == 1).collect();
        let some: Vec<Spec> = specs.into_iter().filter(|spec| !spec.json.contains("image") && !spec.json.contains("ext4")).collect();
        compare(&behind, &some);
    }

    /// A report that cannot be written to stdout is a failure.
    fn a_full_disk_is_reported() needs [] {
        mkdirs(scratch(), &["1/fs", "2/fs/tmp", "t"]);
        write(scratch().join("set.json"), GOOD);
        for words in [&["doctor"][..], &["--json", "doctor"], &["explain", "set.json", "t"], &["--json", "explain", "set.json", "t"]] {
            let full = File::options().write(true).open("/dev/full").unwrap();
            let output = Command::new(binary(env!("CARGO_BIN_EXE_fmountat"))).args(words).current_dir(scratch()).stdout(full).output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{words:?}: {output:?}");
            assert!(String::from_utf8_lossy(&output.stderr).contains("no space left on device"), "{words:?}: {output:?}");
        }
    }

    /// With --json: one object with stable names, and the error as every verb has it.
    fn json_has_all_of_it() needs [] {
        mkdirs(scratch(), &["1/fs", "t"]);
        let spec = Spec { json: GOOD.to_owned(), flags: vec!["--json"], target: "t" };
        write(scratch().join("set.json"), GOOD);
        let output = run(&scratch(), "explain", &spec);
        assert_eq!(output.status.code(), Some(32));
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(value["mounts"][0]["layers"], 2);
        assert_eq!(value["mounts"][0]["refused"]["code"], "layer-missing");
        assert_eq!(value["mounts"][1]["refused"], serde_json::Value::Null);
        assert_eq!(value["refused"][0]["argument"], "2/fs");
        assert!(value["features"].as_array().unwrap().iter().all(|feature| feature["since"].is_string()));
        let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(error["error"]["step"], "mount 1: open layer 1");
    }
}
