// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Ends that nobody planned: kill -9 at any moment, and processes that their parents forgot.

use super::sandbox::{Untouched, assert_gone_within, lines, on_host_root, processes};
use fmountat_testing::{mkdirs, scratch, slower};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
const MOMENTS: u32 = 100;

fn quiet(mut command: Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// A command that is hard to end: its processes ignore all signals, and some have their own
/// sessions.
const STUBBORN: &str = "trap '' HUP INT TERM QUIT; setsid sleep 100 & (sleep 100 &); sleep 100 & \
                        echo ready; \
                        while :; do sleep 1; done";

pub(crate) fn kill_ends_everything() {
    mkdirs(scratch(), &["fs"]);
    mount("tmpfs", scratch().join("fs"), "tmpfs", MountFlags::empty(), None).unwrap();
    let before = Untouched::now();
    let mut child = quiet(on_host_root(STUBBORN));
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    // A process in the middle of its exec has no environment to be known by.
    let start = Instant::now();
    while processes().len() < 6 {
        assert!(start.elapsed() < slower(SECOND), "{:#?}", processes());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_gone_within(SECOND, "kill -9");
    // No process holds the other end of the pipe, not even one that has changed its environment.
    output.read_to_string(&mut line).unwrap();
    before.assert("kill -9");
    unmount(scratch().join("fs"), UnmountFlags::empty()).unwrap();
}

/// Moments from the first instruction to a running command.
pub(crate) fn kill_at_any_moment() {
    let before = Untouched::now();
    let start = Instant::now();
    lines(on_host_root("exit 0"));
    let whole = start.elapsed().mul_f32(1.2);
    for moment in 0..MOMENTS {
        let delay = whole * moment / MOMENTS;
        let mut child = quiet(on_host_root(STUBBORN));
        std::thread::sleep(delay);
        child.kill().unwrap();
        child.wait().unwrap();
        before.assert(&format!("kill -9 after {delay:?}"));
    }
}

/// A parent that exits leaves its child to init, which reaps it. All processes end with the
/// command.
pub(crate) fn orphans_are_reaped() {
    let before = Untouched::now();
    let script = r#"
        i=0; while [ $i -lt 50 ]; do (sleep 0.1 &); (setsid sleep 0.1 &); i=$((i+1)); done
        (setsid sleep 100 &); sleep 100 &
        i=0; while [ $i -lt 100 ]; do set -- /proc/[0-9]*; [ $# -le 4 ] && break; sleep 0.05; i=$((i+1)); done
        echo $#; cat /proc/[0-9]*/status 2>&- | grep -c '^State:.Z'; exit 0"#;
    assert_eq!(lines(on_host_root(script)), ["4", "0"]);
    before.assert("the command ended before its children");
}
