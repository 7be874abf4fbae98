// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests what a command inherits from the caller of `fmountat run`: the same as without fmountat.

use super::sandbox::{
    Finished, Untouched, command, finish, finish_with, fmountat, lines, on_host_root, words,
};
use fmountat_testing::{mkdirs, scratch, slower};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The kernel's count of `ls` is the same in both: its own listing is one of the descriptors.
const PROBE: &str = r#"umask; pwd -P
    ls -l /proc/self/fd | sed 's/.*[0-9] \([0-9]* ->\)/\1/; s/\/proc\/[0-9]*/\/proc/; s/pipe:.*/pipe/' | grep '^[01237] '
    ulimit -a; nice; cat /proc/self/oom_score_adj; env -0 | sort -z | tr '\0' '\n'"#;

/// A caller with a cwd, a umask, a limit, a descriptor and a variable of its own.
const CALLER: &str = r#"umask 027; ulimit -n 77; ulimit -c 0; exec 7</dev/null; cd "$DIR"; exec "$@""#;

fn through_the_caller(words: &[std::ffi::OsString]) -> Vec<String> {
    let mut caller: Vec<std::ffi::OsString> = ["sh", "-c", CALLER, "sh"].map(Into::into).to_vec();
    caller.extend(words.iter().cloned());
    let mut command = command(&caller);
    command.env("DIR", scratch().join("cwd")).env("ODD", "a\nb=c \u{e4}").env_remove("OLDPWD");
    lines(command)
}

pub(crate) fn everything() {
    mkdirs(scratch(), &["cwd"]);
    let before = Untouched::now();
    let outside = through_the_caller(&["sh", "-c", PROBE].map(Into::into));
    let mut run = words(&[]);
    run.extend(["--lower", "/", "--keep-fd", "7", "--", "sh", "-c", PROBE].map(Into::into));
    let inside = through_the_caller(&run);
    assert!(outside.len() > 20 && outside[0] == "0027", "{outside:#?}");
    let differences: Vec<_> =
        inside.iter().zip(&outside).filter(|(inside, outside)| inside != outside).collect();
    assert!(differences.is_empty() && inside.len() == outside.len(), "{differences:#?}");
    before.assert("inherit");
}

/// A directory of the host that the caller has open is a way out of the root: CVE-2024-21626.
pub(crate) fn descriptors_only_on_request() {
    mkdirs(scratch(), &["cwd"]);
    let before = Untouched::now();
    let caller = r#"cd "$DIR"; exec 7<. 8<. 9</dev/null; exec "$@""#;
    let list = "ls /proc/self/fd /proc/1/fd | grep -c '^[789]$'";
    for (keep, want) in [(&[][..], "0"), (&["--keep-fd", "8"], "2"), (&["--keep-fd=7,9"], "4")] {
        let mut all: Vec<std::ffi::OsString> = ["sh", "-c", caller, "sh"].map(Into::into).to_vec();
        all.extend(words(&[]));
        all.extend(["--lower", "/"].iter().chain(keep).chain(&["--", "sh", "-c", list]).map(Into::into));
        let mut command = command(&all);
        command.env("DIR", scratch().join("cwd"));
        assert_eq!(finish(command).out.trim(), want, "{keep:?}");
    }
    let done = finish(fmountat(&["--lower", "/", "--keep-fd", "17", "--", "true"]));
    assert_eq!(done.status, 125, "{}", done.err);
    assert!(done.err.contains("descriptors 17: no descriptor with this number is open"), "{}", done.err);
    before.assert("descriptors");
}

const STATES: &[&[&str]] = &[
    &["--default-signal"],
    &["--ignore-signal=HUP"],
    &["--ignore-signal=INT", "--ignore-signal=QUIT"],
    &["--ignore-signal=TERM", "--ignore-signal=USR1"],
    &["--ignore-signal=TSTP", "--ignore-signal=TTOU"],
    &["--block-signal=USR1", "--block-signal=PIPE"],
    &["--block-signal=TERM", "--block-signal=INT"],
    &["--block-signal=CHLD"],
];

/// States that `run` and its Rust runtime need for themselves: it must work with them.
const NOT_KEPT: &[&str] = &["--ignore-signal=PIPE", "--ignore-signal=CHLD"];

/// Signals that the caller ignores or blocks remain so, as nohup(1) and background jobs require.
pub(crate) fn signal_states() {
    let before = Untouched::now();
    let mut wrong = Vec::new();
    for states in STATES {
        let env = [&["env", "--default-signal"], *states].concat();
        let probe = ["grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"];
        let outside = lines(command(&env.iter().chain(&probe).map(Into::into).collect::<Vec<_>>()));
        let mut run = words(&env);
        run.extend(["--lower", "/", "--"].iter().chain(&probe).map(Into::into));
        match within(Duration::from_secs(5), command(&run)) {
            Some(done) if done.out.lines().eq(outside.iter().map(String::as_str)) => {}
            Some(done) => wrong.push(format!("{states:?}: {:?} became {:?}", outside, done.out)),
            None => wrong.push(format!("{states:?}: hangs")),
        }
    }
    for state in NOT_KEPT {
        let mut run = words(&["env", state]);
        run.extend(["--lower", "/", "--", "sh", "-c", "sh -c 'exit 3'; exit $?"].map(Into::into));
        let done = within(Duration::from_secs(5), command(&run));
        if done.as_ref().map(|done| done.status) != Some(3) {
            wrong.push(format!("{state}: {done:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    before.assert("signal states");
}

/// Waits for the end of the command; returns `None` at the time limit.
fn within(limit: Duration, mut command: Command) -> Option<Finished> {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > slower(limit) {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(Finished {
        status: output.status.code().unwrap(),
        out: text(&output.stdout),
        err: text(&output.stderr),
    })
}

pub(crate) fn input() {
    let before = Untouched::now();
    let text: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
    let done = finish_with(on_host_root("cksum; echo done >&2"), &text);
    let plain = finish_with(command(&["cksum".into()]), &text);
    assert_eq!((done.out, done.status), (plain.out, 0));
    assert!(done.err.ends_with("done\n"), "{}", done.err);

    let spec = r#"[{"type":"bind","source":"/","options":["rbind","ro"]}]"#;
    let done = finish_with(fmountat(&["-", "--", "sh", "-c", "cat; echo alive"]), spec.as_bytes());
    assert_eq!((done.out.as_str(), done.status), ("alive\n", 0), "{}", done.err);
    let mut closed = command(&["sh".into(), "-c".into(), "exec \"$@\" <&- >&- 2>&-".into(), "sh".into()]);
    closed.args(words(&[])).args(["--lower", "/", "--", "sh", "-c", "exit 3"]);
    assert_eq!(finish(closed).status, 3, "with 0, 1 and 2 closed");
    before.assert("input");
}
