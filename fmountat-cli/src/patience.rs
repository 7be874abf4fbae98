// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Says on a terminal what a long operation waits for, and how long.

use crate::output;
use rustix::termios::isatty;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// The operation may take this long without a message, and then as long between two.
const FIRST: Duration = Duration::from_secs(1);
const NEXT: Duration = Duration::from_secs(5);

/// Prints messages until it is dropped.
#[derive(Debug)]
pub(crate) struct Patience {
    _end: Sender<()>,
}

/// Begins to watch an operation: `text` says what it waits for. Prints nothing with `--json`, or if
/// stderr is not a terminal.
///
/// Start it after setns(2), which a process with a second thread may not call.
pub(crate) fn waiting(text: String, json: bool) -> Option<Patience> {
    if json || !isatty(std::io::stderr()) {
        return None;
    }
    let (end, ended) = channel::<()>();
    let start = Instant::now();
    let watch = move || {
        let mut next = FIRST;
        while ended.recv_timeout(next) == Err(RecvTimeoutError::Timeout) {
            output::message(&format!("{text} ({} s)", start.elapsed().as_secs()));
            next = NEXT;
        }
    };
    // Where no thread can be made, the operation has no messages.
    std::thread::Builder::new().spawn(watch).ok().map(|_| Patience { _end: end })
}
