// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests the exit status of `run`: that of the command, or one that stands for a failure of
//! fmountat.

use super::sandbox::{Untouched, finish, finish_with, fmountat, on_host_root};
use fmountat_testing::{scratch, write};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

/// A script, and the status that it ends with.
const SCRIPTS: &[(&str, i32)] = &[
    ("exit 0", 0),
    ("exit 7", 7),
    ("exit 125", 125),
    ("exit 255", 255),
    ("kill -9 $$", 137),
    ("kill -TERM $$", 143),
    ("kill -INT $$", 130),
    ("kill -HUP $$", 129),
    ("kill -PIPE $$", 141),
    ("kill -SEGV $$", 139),
    ("kill -ABRT $$", 134),
    ("no-such-program", 127),
    ("exec setsid sh -c 'exit 7'", 7),
    ("exec setsid sh -c 'kill -9 $$'", 137),
];

pub(crate) fn is_the_commands() {
    let before = Untouched::now();
    for (script, status) in SCRIPTS {
        let done = finish(on_host_root(script));
        assert_eq!(done.status, *status, "{script}: {done:#?}");
        before.assert(script);
    }
}

/// `run` notices the end of its command even if a filter forbids ppoll(2).
pub(crate) fn is_seen_without_poll() {
    let mut waiting = fmountat(&["--lower", "/", "--", "sh", "-c", "sleep 0.2; exit 7"]).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    let status = loop {
        match waiting.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if Instant::now() > until => break None,
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let _ = waiting.kill();
    assert_eq!(status.expect("the end is seen").code(), Some(7));
}

/// Where no thread can be made, the command does not start.
pub(crate) fn without_threads() {
    let done = finish(fmountat(&["-q", "--lower", "/", "echo", "started"]));
    assert_eq!((done.out.as_str(), done.status), ("", 125), "{done:#?}");
    let reasons = ["start a thread for signals", "create a private mount namespace"];
    let is_reason = |reason: &&str| done.err.contains(*reason) && done.err.contains("EAGAIN");
    assert!(reasons.iter().any(is_reason), "{}", done.err);
}

struct Failure {
    args: &'static [&'static str],
    status: i32,
    /// A part of the error's text.
    names: &'static str,
    /// The `code` of the error with `--json`.
    code: &'static str,
}

const fn failure(
    args: &'static [&'static str],
    status: i32,
    names: &'static str,
    code: &'static str,
) -> Failure {
    Failure { args, status, names, code }
}

const FAILURES: &[Failure] = &[
    failure(&["--lower", "/", "--", "no-such-program"], 127, "no-such-program", "not-found"),
    failure(&["--lower", "/", "--", "/no/such/program"], 127, "/no/such/program", "not-found"),
    failure(&["--lower", "/", "--", "./plain"], 126, "plain", "permission"),
    failure(&["--lower", "/", "--", "/etc"], 126, "/etc", "permission"),
    failure(&["--lower", "no-such-layer", "--", "true"], 125, "no-such-layer", ""),
    failure(&["--lower", "plain", "--", "true"], 125, "plain", ""),
    failure(&["--lower", "/", "--lower", "layer", "--", "true"], 125, "/", "unsupported"),
    failure(
        &["--lower", "layer", "--bind", "no-such-source:/x", "--", "true"],
        125,
        "no-such-source",
        "not-found",
    ),
    failure(&["--lower", "layer", "--bind", "layer:/x:uidmap=nonsense", "--", "true"], 125, "uidmap", ""),
    failure(&["--lower", "layer", "--bind", ":/x", "--", "true"], 125, ":/x", ""),
    failure(&["--lower", "layer", "--bind", "", "--", "true"], 125, "bind", ""),
    failure(&["no-such-spec.json", "--", "true"], 125, "no-such-spec.json", "not-found"),
    failure(&["plain", "--", "true"], 125, "plain", "spec"),
    failure(&["-", "--", "true"], 125, "-", "spec"),
    failure(&["unknown.json", "--", "true"], 125, "no_such_option", "unknown-option"),
    failure(&["missing.json", "--", "true"], 125, "gone", ""),
    failure(&["empty.json", "--", "true"], 125, "root", "spec"),
    failure(&["--", "true"], 125, "root", "spec"),
    failure(&["-C", "no-such-dir", "--lower", "/", "--", "true"], 125, "no-such-dir", "not-found"),
    failure(&["-C", "plain", "--lower", "/", "--", "true"], 125, "plain", ""),
    failure(&["--no-such-option", "--lower", "/", "--", "true"], 125, "--no-such-option", ""),
    failure(&["--lower", "/"], 125, "COMMAND", ""),
    failure(&["--lower", "layer", "-C", "/", "--bind", ".", "--", "true"], 125, "cover", "option-value"),
    failure(&["--lower", "layer", "--bind", "layer:/usr/..", "--", "true"], 125, "cover", "option-value"),
    failure(&["--lower", "layer", "--tmpfs", "/", "--", "true"], 125, "cover", "option-value"),
    failure(&["--lower", "/", "--chdir", "/no-such-dir", "true"], 125, "/no-such-dir", "not-found"),
    failure(&["--lower", "/", "--size", "nonsense", "true"], 125, "size", ""),
    failure(&["no-such-spec.json", "ls", "-l"], 125, "no-such-spec.json", "not-found"),
];

/// If a mount fails, the error names its argument, and the exit status shows that the command never
/// ran.
pub(crate) fn own_failures() {
    let here = scratch().join("here");
    write(here.join("layer/file"), "x");
    write(here.join("plain"), "no program\n");
    write(here.join("empty.json"), "[]");
    let unknown =
        r#"[{"type":"overlay","source":"o","options":["lowerdir=layer:layer2","no_such_option=1"]}]"#;
    write(here.join("layer2/file"), "x");
    write(here.join("unknown.json"), unknown);
    let missing = r#"[{"type":"overlay","source":"o","options":["lowerdir=layer:gone"]}]"#;
    write(here.join("missing.json"), missing);
    std::fs::set_permissions(here.join("plain"), PermissionsExt::from_mode(0o644)).unwrap();
    searching_a_closed_directory();
    let before = Untouched::now();
    let wrong: Vec<String> = FAILURES.iter().flat_map(|f| [text(f), json(f)]).flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    before.assert("failures");
}

/// A directory in PATH that the user cannot search holds no program for that user: shells exit with
/// 127.
fn searching_a_closed_directory() {
    let closed = scratch().join("here/closed");
    std::fs::create_dir_all(&closed).unwrap();
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o000)).unwrap();
    for (command, status) in [("true", 0), ("no-such-program", 127)] {
        let mut run = fmountat(&["--lower", "/", "--", command]);
        run.env("PATH", format!("{}:/usr/bin:/bin", closed.display()));
        let done = finish(run);
        assert_eq!(done.status, status, "{command}: {done:#?}");
    }
    std::fs::remove_dir(closed).unwrap();
}

fn done(args: &[&str]) -> super::sandbox::Finished {
    let mut command = fmountat(args);
    command.current_dir(scratch().join("here")).env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
    finish_with(command, b"[ no JSON")
}

fn text(failure: &Failure) -> Option<String> {
    let done = done(failure.args);
    let lines: Vec<&str> = done.err.lines().filter(|l| !l.contains("not overlaid")).collect();
    let named = lines.iter().any(|line| line.contains(failure.names));
    let ok = done.status == failure.status && done.out.is_empty() && named;
    (!ok).then(|| format!("{:?}: {} in place of {}\n{}", failure.args, done.status, failure.status, done.err))
}

/// Runs the command with --json. Returns what is wrong with its output: each line of stderr must be
/// a JSON object, and the last one the error with all its fields.
fn json(failure: &Failure) -> Option<String> {
    let done = done(&[&["--json"], failure.args].concat());
    let wrong = |why: &str| Some(format!("--json {:?}: {why}: {} {}", failure.args, done.status, done.err));
    // One object in each line; an error is the last one.
    let lines: Result<Vec<serde_json::Value>, _> = done.err.lines().map(serde_json::from_str).collect();
    let Some(value) = lines.ok().and_then(|lines| lines.last().cloned()) else {
        return wrong("not one JSON value in each line");
    };
    let error = &value["error"];
    let fields = ["code", "step", "call", "argument", "errno", "kernel", "hint"];
    if let Some(field) = fields.iter().find(|field| error.get(field).is_none()) {
        return wrong(&format!("no {field}"));
    }
    if !failure.code.is_empty() && error["code"] != failure.code {
        return wrong(&format!("not the code {}", failure.code));
    }
    if done.status != failure.status || !error["kernel"].is_array() || !error["step"].is_string() {
        return wrong("the status or a type");
    }
    let fields = ["argument", "reason", "hint"].map(|field| error[field].as_str().unwrap_or_default());
    if !fields.iter().any(|text| text.contains(failure.names)) {
        return wrong("the argument");
    }
    None
}
