// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Signals sent to the process that the user started.

use super::sandbox::{Untouched, command, words};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Lines, Read};
use std::process::{Child, ChildStdout, Stdio};

/// A shell's trap counts two signals only if it handled the first before the second arrived. With
/// enough signals, a duplicate shows.
const TIMES: usize = 20;

const SIGNALS: &[(&str, Signal)] = &[
    ("HUP", Signal::HUP),
    ("INT", Signal::INT),
    ("QUIT", Signal::QUIT),
    ("TERM", Signal::TERM),
    ("USR1", Signal::USR1),
    ("USR2", Signal::USR2),
    ("ALRM", Signal::ALARM),
    ("WINCH", Signal::WINCH),
];

/// Runs `fmountat run --lower / -- sh -c SCRIPT` with the default disposition of every signal.
fn start(script: &str) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut words = words(&["env", "--default-signal"]);
    words.extend(["--lower", "/", "--", "sh", "-c", script].map(Into::into));
    let mut child = command(&words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// While the root is built, the init may wait in the kernel: a signal ends all, with its status.
pub(crate) fn before_the_start() {
    let before = Untouched::now();
    for (signal, status) in [(Signal::HUP, 129), (Signal::INT, 130), (Signal::QUIT, 131), (Signal::TERM, 143)]
    {
        let mut words = words(&["env", "--default-signal"]);
        // The mount list never arrives.
        words.extend(["-", "--", "true"].map(Into::into));
        let mut started = command(&words);
        started.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = started.spawn().unwrap();
        // Child::wait would close it, which ends the list.
        let _stdin = child.stdin.take();
        // The supervisor starts the init after it has set up its signals.
        let children = format!("/proc/{0}/task/{0}/children", child.id());
        while std::fs::read_to_string(&children).unwrap().is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        send(&child, signal);
        let ended = child.wait().unwrap();
        let mut text = String::new();
        child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(ended.code(), Some(status), "{text}");
        assert!(text.contains("ended it before the command was started"), "{text}");
    }
    before.assert("signals before the start");
}

pub(crate) fn arrive_once() {
    let before = Untouched::now();
    for (name, signal) in SIGNALS {
        // The wait ends at each signal, when the trap has run.
        let script = format!(
            "trap 'echo got' {name}; trap 'exit 9' CONT; sleep 100 & echo ready; while :; do wait $!; done"
        );
        let (mut child, mut lines) = start(&script);
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        for _ in 0..TIMES {
            send(&child, *signal);
            assert_eq!(lines.next().expect(name).unwrap(), "got", "{name}");
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        send(&child, Signal::CONT);
        let more: Vec<String> = lines.map(Result::unwrap).collect();
        assert!(more.is_empty(), "{name} arrived {} times in place of {TIMES}", TIMES + more.len());
        assert_eq!(child.wait().unwrap().code(), Some(9), "{name}");
        before.assert(name);
    }
}

pub(crate) fn that_kill() {
    let before = Untouched::now();
    for (name, signal) in SIGNALS.iter().filter(|(name, _)| *name != "WINCH") {
        let (mut child, mut lines) = start("echo ready; exec sleep 100");
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        send(&child, *signal);
        assert_eq!(child.wait().unwrap().code(), Some(128 + signal.as_raw()), "{name}");
        before.assert(name);
    }
}
