// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Moments to kill at, from before a command's first instruction to after its last.

use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// When a command is killed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment(Duration);

impl Moment {
    /// Starts the command and kills it then.
    pub(crate) fn kill(self, command: Command) {
        let mut child = self.after_start(command);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Starts a tracer, kills its only child, the traced command, and waits for the tracer, which
    /// waits for the command's descendants.
    pub(crate) fn kill_traced(self, tracer: Command) {
        let mut tracer = self.after_start(tracer);
        // Waits until the child exists. It may also have ended already.
        while tracer.try_wait().unwrap().is_none() {
            let children = format!("/proc/{0}/task/{0}/children", tracer.id());
            let child = std::fs::read_to_string(children).unwrap_or_default();
            let child = child.split_whitespace().next().and_then(|pid| Pid::from_raw(pid.parse().ok()?));
            if child.is_some_and(|child| kill_process(child, Signal::KILL).is_ok()) {
                break;
            }
        }
        tracer.wait().unwrap();
    }

    fn after_start(self, mut command: Command) -> Child {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Sleeping is too coarse for what takes a few milliseconds.
        let start = Instant::now();
        while start.elapsed() < self.0 {
            std::hint::spin_loop();
        }
        child
    }
}

/// Moments from 0 to 1.5 times the duration of `whole`, since a machine may get busier, in an order
/// that mixes early and late.
#[derive(Debug)]
pub(crate) struct Moments {
    whole: Duration,
    rounds: u32,
    next: u32,
}

impl Moments {
    pub(crate) fn of(rounds: u32, whole: impl Fn()) -> Self {
        let time = || {
            let start = Instant::now();
            whole();
            start.elapsed()
        };
        let mut times: Vec<Duration> = (0..9).map(|_| time()).collect();
        times.sort();
        Self { whole: times[4].mul_f32(1.6), rounds, next: 0 }
    }
}

impl Iterator for Moments {
    type Item = Moment;

    fn next(&mut self) -> Option<Moment> {
        let round = self.next;
        self.next += 1;
        // A step that has no factor in common with a power of ten.
        let at = u64::from(round) * 7_919 % u64::from(self.rounds);
        (round < self.rounds).then(|| Moment(self.whole.mul_f64(at as f64 / f64::from(self.rounds))))
    }
}

/// Counts each of the two permitted outcomes. Any other outcome fails the case before it is
/// counted.
#[derive(Debug, Default)]
pub(crate) struct Count {
    before: usize,
    after: usize,
}

impl Count {
    pub(crate) fn add(&mut self, is_after: bool) {
        if is_after { self.after += 1 } else { self.before += 1 }
    }

    pub(crate) fn print(&self, what: &str, before: &str, after: &str) {
        let Self { before: b, after: a } = self;
        println!("counted: {} kills of {what}: {b} {before}, {a} {after}, 0 half built, 0 left over", b + a);
        assert!(*b > 0 && *a > 0, "the kills missed the moment: {self:?}");
    }
}
