// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Ends a test run on SIGTERM and ^C: kills its cases, and removes their scratch directories.

use crate::raw::{block_ends, die_of, next_end};
use rustix::process::{Pid, Signal, kill_process_group};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The time limit for removing the scratch directories.
const PATIENCE: Duration = Duration::from_secs(20);

struct Running {
    is_ended: bool,
    trials: usize,
    groups: Vec<Pid>,
}

static RUNNING: Mutex<Running> = Mutex::new(Running { is_ended: false, trials: 0, groups: Vec::new() });
static ONE_LESS: Condvar = Condvar::new();

fn running() -> MutexGuard<'static, Running> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the thread that ends this process in order. Call it before there is a second thread.
pub(crate) fn watch() {
    block_ends();
    std::thread::spawn(|| {
        let signal = next_end();
        let mut now = running();
        now.is_ended = true;
        for group in &now.groups {
            // The group may have ended.
            let _ = kill_process_group(*group, Signal::KILL);
        }
        drop(ONE_LESS.wait_timeout_while(now, PATIENCE, |now| now.trials > 0));
        die_of(signal)
    });
}

/// Waits for the end of this process, if a signal has ended the run: the thread that does it may be
/// slower than the thread that prints the results.
pub(crate) fn await_the_signals_end() {
    while running().is_ended {
        std::thread::park();
    }
}

/// A running trial. Drop ends it.
#[derive(Debug)]
pub(crate) struct Trial(());

impl Trial {
    /// Begins a trial. Returns `None` if the run is ending.
    pub(crate) fn begin() -> Option<Self> {
        let mut now = running();
        if now.is_ended {
            return None;
        }
        now.trials += 1;
        Some(Self(()))
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        running().trials -= 1;
        ONE_LESS.notify_all();
    }
}

/// Registers the process group of a case. It exists until [`forget`].
pub(crate) fn remember(group: Pid) {
    let mut now = running();
    now.groups.push(group);
    if now.is_ended {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Unregisters the process group. Call it before the child is reaped: the number can be reused
/// then.
pub(crate) fn forget(group: Pid) {
    running().groups.retain(|known| *known != group);
}
