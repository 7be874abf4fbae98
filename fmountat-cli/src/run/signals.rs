// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Signals on their way to the command: those that somebody sent, not those that a terminal gave to all of us.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::process::WaitStatus;
use signal_hook::consts::{
    SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH,
};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};
use std::os::unix::net::UnixStream;

/// What is passed on. SIGTSTP is not: the terminal stops every process of the job by itself.
const PASSED_ON: [i32; 9] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH, SIGALRM, SIGCONT];

/// The signals of this process, to be passed on.
#[derive(Debug)]
pub(super) struct Signals(SignalDelivery<UnixStream, WithOrigin>);

impl Signals {
    /// Takes the signals over; call it before the child is started, so that none is lost. Those that the caller ignores
    /// (nohup, a shell's background jobs) stay ignored, for us and for the command. `more` are taken in any case.
    pub(super) fn take(more: &[i32]) -> std::io::Result<Self> {
        let ignored = ignored();
        let taken = PASSED_ON.iter().filter(|signal| ignored & (1 << (**signal - 1)) == 0);
        let (read, write) = UnixStream::pair()?;
        // Where SIGCHLD is ignored the kernel reaps children itself, and with them the status: a handler ends that.
        SignalDelivery::with_pipe(read, write, WithOrigin::default(), taken.chain(more).chain(&[SIGCHLD]))
            .map(Self)
    }

    /// Hands over what the terminal's keys have given to this process so far.
    pub(super) fn pass_on_from_the_keyboard(&mut self, deliver: impl Fn(i32)) {
        let is_key = |origin: &Origin| {
            matches!(origin.signal, SIGINT | SIGQUIT) && matches!(origin.cause, Cause::Kernel)
        };
        // What else is pending was sent by somebody, and is theirs to have passed on too.
        for origin in self.0.pending().filter(|origin| is_key(origin) || was_sent(origin)) {
            deliver(origin.signal);
        }
    }

    /// Hands over signals that were sent until `process` (a pidfd) has ended. It is waited for by that and not by
    /// SIGCHLD, which the caller may have blocked.
    pub(super) fn pass_on_until_end(&mut self, process: &OwnedFd, deliver: impl Fn(i32)) {
        loop {
            let mut fds =
                [PollFd::new(self.0.get_read(), PollFlags::IN), PollFd::new(process, PollFlags::IN)];
            let polled = poll(&mut fds, None);
            let has_ended = polled.is_ok() && !fds[1].revents().is_empty();
            for origin in self.0.pending().filter(was_sent) {
                deliver(origin.signal);
            }
            if has_ended {
                return;
            }
        }
    }
}

/// A terminal's ^C goes to the whole foreground job, the command included; its hang-up only to some.
fn was_sent(origin: &Origin) -> bool {
    origin.signal != SIGCHLD && (origin.signal == SIGHUP || !matches!(origin.cause, Cause::Kernel))
}

/// The signals that this process was started to ignore, as a bit set.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    set.and_then(|text| u64::from_str_radix(text.trim(), 16).ok()).unwrap_or(0)
}

/// The exit status that a shell would show.
pub(super) fn shell_status(status: WaitStatus) -> Option<u8> {
    let code = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
    code.map(|code| u8::try_from(code & 0xff).unwrap_or(u8::MAX))
}
