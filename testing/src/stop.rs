// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A test run that is told to end (SIGTERM, ^C): its cases are killed, and what was made for them is taken away.

use crate::raw::{block_ends, die_of, next_end};
use rustix::process::{Pid, Signal, kill_process_group};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long it may take to remove what was made.
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

/// From here on this process ends in order. To be called before it has a second thread.
pub(crate) fn watch() {
    block_ends();
    std::thread::spawn(|| {
        let signal = next_end();
        let mut now = running();
        now.is_ended = true;
        for group in &now.groups {
            // One that has just ended is as good.
            let _ = kill_process_group(*group, Signal::KILL);
        }
        drop(ONE_LESS.wait_timeout_while(now, PATIENCE, |now| now.trials > 0));
        die_of(signal)
    });
}

/// A trial, until it is dropped.
#[derive(Debug)]
pub(crate) struct Trial(());

impl Trial {
    /// None where the run is to end.
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

/// The process group of a case, which is there until [`forget`].
pub(crate) fn remember(group: Pid) {
    let mut now = running();
    now.groups.push(group);
    if now.is_ended {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Before its number can become another's.
pub(crate) fn forget(group: Pid) {
    running().groups.retain(|known| *known != group);
}
