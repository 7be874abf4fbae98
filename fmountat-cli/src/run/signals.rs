// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Signals on their way to the command: those that somebody sent, not those that a terminal gave to all of us.

use rustix::process::{Pid, Signal, WaitStatus};
use signal_hook::consts::{
    SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH,
};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::Cause;

/// What is passed on. SIGTSTP is not: the terminal stops every process of the job by itself.
const PASSED_ON: [i32; 9] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH, SIGALRM, SIGCONT];

/// What woke us.
#[derive(Debug)]
pub(crate) enum Event {
    /// A child may have ended.
    Child,
    /// A process sent this signal.
    Sent(i32),
}

/// The signals of this process as a stream.
#[derive(Debug)]
pub(crate) struct Signals(SignalsInfo<WithOrigin>);

impl Signals {
    /// Takes the signals over; call it before the child is started, so that none is lost.
    pub(crate) fn take() -> std::io::Result<Self> {
        SignalsInfo::<WithOrigin>::new(PASSED_ON.iter().chain(&[SIGCHLD])).map(Self)
    }

    /// Waits for the next events.
    pub(crate) fn wait(&mut self) -> Vec<Event> {
        let event = |origin: signal_hook::low_level::siginfo::Origin| match (origin.signal, origin.cause) {
            (SIGCHLD, _) => Some(Event::Child),
            // A terminal's ^C goes to the whole foreground job, the command included.
            (_, Cause::Kernel) => None,
            (signal, _) => Some(Event::Sent(signal)),
        };
        self.0.wait().filter_map(event).collect()
    }
}

/// Sends the signal on; a process that has just ended is none to send to.
pub(crate) fn pass_on(to: Pid, signal: i32) {
    if let Some(signal) = Signal::from_named_raw(signal) {
        let _ = rustix::process::kill_process(to, signal);
    }
}

/// The exit status that a shell would show.
pub(crate) fn shell_status(status: WaitStatus) -> Option<u8> {
    let code = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
    code.map(|code| u8::try_from(code & 0xff).unwrap_or(u8::MAX))
}
