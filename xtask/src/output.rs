// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Writes lines for the user. A closed stdout or stderr does not stop a task.

use std::io::Write;
use std::time::Instant;

/// Writes a line to stdout.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Writes a line to stderr.
pub(crate) fn error_line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Prints the steps of a task with the seconds since its start.
#[derive(Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn seconds(&self) -> u64 {
        self.0.elapsed().as_secs()
    }

    pub(crate) fn step(&self, text: &str) {
        line(&format!("== {text} ({}s)", self.seconds()));
    }
}
