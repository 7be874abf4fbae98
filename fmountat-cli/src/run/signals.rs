// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Signals on their way to the command: those that somebody sent, not those that a terminal gave to all of us.

use crate::run::terminal::Stops;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, WaitStatus, pidfd_open, waitid};
use signal_hook::consts::{
    SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH,
};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};
use std::os::unix::net::UnixStream;

/// What is passed on. SIGTSTP is not: the terminal stops every process of the job by itself.
const PASSED_ON: [i32; 9] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH, SIGALRM, SIGCONT];

/// How often a child is looked at that no pidfd tells of, if no SIGCHLD comes.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// The signals of this process, to be passed on.
#[derive(Debug)]
pub(crate) struct Signals(SignalDelivery<UnixStream, WithOrigin>);

impl Signals {
    /// Takes the signals over; call it before the child is started, so that none is lost. Those that the caller ignores
    /// (nohup, a shell's background jobs) stay ignored, for us and for the command. `more` are taken in any case.
    pub(crate) fn take(more: &[i32]) -> std::io::Result<Self> {
        let ignored = ignored();
        let taken = PASSED_ON.iter().filter(|signal| ignored & (1 << (**signal - 1)) == 0);
        let (read, write) = UnixStream::pair()?;
        // Where SIGCHLD is ignored the kernel reaps children itself, and with them the status: a handler ends that.
        SignalDelivery::with_pipe(read, write, WithOrigin::default(), taken.chain(more).chain(&[SIGCHLD]))
            .map(Self)
    }

    /// Hands over what the terminal's keys have given to this process so far.
    pub(crate) fn pass_on_from_the_keyboard(&mut self, deliver: impl Fn(i32)) {
        let is_key = |origin: &Origin| {
            matches!(origin.signal, SIGINT | SIGQUIT) && matches!(origin.cause, Cause::Kernel)
        };
        // What else is pending was sent by somebody, and is theirs to have passed on too.
        for origin in self.0.pending().filter(|origin| is_key(origin) || was_sent(origin)) {
            deliver(origin.signal);
        }
    }

    /// Hands over signals that were sent until `child`, which others may reap, has ended.
    pub(crate) fn pass_on_until_end(&mut self, child: Pid, stops: Option<&Stops<'_>>, deliver: impl Fn(i32)) {
        // SIGCHLD alone does not do: the caller may have blocked it.
        let pidfd = pidfd_open(child, PidfdFlags::empty()).ok();
        loop {
            let came = self.wait(pidfd.as_ref(), stops);
            for origin in self.0.pending().filter(was_sent) {
                deliver(origin.signal);
            }
            if came.stop && stops.is_some_and(Stops::heed) {
                deliver(SIGCONT);
            }
            if came.end || pidfd.is_none() && has_ended(child) {
                return;
            }
        }
    }

    /// Waits for a signal, a stop, or the end that a pidfd tells of; without one not for long.
    fn wait(&self, pidfd: Option<&OwnedFd>, stops: Option<&Stops<'_>>) -> Came {
        let mut fds = vec![PollFd::new(self.0.get_read(), PollFlags::IN)];
        fds.extend(pidfd.map(|pidfd| PollFd::new(pidfd, PollFlags::IN)));
        fds.extend(stops.map(|stops| PollFd::from_borrowed_fd(stops.fd(), PollFlags::IN)));
        let patience = if pidfd.is_some() { None } else { Some(&LOOK_EVERY) };
        let is_polled = poll(&mut fds, patience).is_ok();
        let is_ready = |fd: Option<&PollFd<'_>>| is_polled && fd.is_some_and(|fd| !fd.revents().is_empty());
        Came { end: pidfd.is_some() && is_ready(fds.get(1)), stop: stops.is_some() && is_ready(fds.last()) }
    }
}

/// What was waited for.
struct Came {
    end: bool,
    stop: bool,
}

/// For where a filter forbids pidfd_open(2).
fn has_ended(child: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match waitid(WaitId::Pid(child), options) {
        Ok(status) => status.is_some(),
        Err(errno) => errno != Errno::INTR,
    }
}

/// A terminal's ^C goes to the whole foreground job, the command included; its hang-up only to some.
fn was_sent(origin: &Origin) -> bool {
    origin.signal != SIGCHLD && (origin.signal == SIGHUP || !matches!(origin.cause, Cause::Kernel))
}

/// The signals that this process was started to ignore, as a bit set.
fn ignored() -> u64 {
    let status = fmountat::procfs::text("thread-self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    set.and_then(|text| u64::from_str_radix(text.trim(), 16).ok()).unwrap_or(0)
}

/// The exit status that a shell would show.
pub(crate) fn shell_status(status: WaitStatus) -> Option<u8> {
    let code = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
    code.map(|code| u8::try_from(code & 0xff).unwrap_or(u8::MAX))
}
