// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Passes signals on to the command: those that a process sent, not those that the terminal sent to
//! the whole job.

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
use std::time::Duration;

/// The signals that are passed on. SIGTSTP is not: the terminal sends it to every process of the
/// job.
const PASSED_ON: [i32; 9] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH, SIGALRM, SIGCONT];

/// The signals that ask a process to end.
const ENDING: [i32; 4] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];

/// The interval at which the child is polled where poll(2) can't wait for it: without a pidfd, or
/// where a filter or a limit refuses poll(2).
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Receives the signals of this process that are passed on.
#[derive(Debug)]
pub(crate) struct Signals(SignalDelivery<UnixStream, WithOrigin>);

impl Signals {
    /// Installs the handlers. Call it before the child is started, so that no signal is lost.
    /// Signals that the caller ignores (nohup, background jobs of a shell) remain ignored, here and
    /// in the command. `more` are handled in any case.
    pub(crate) fn take(more: &[i32]) -> std::io::Result<Self> {
        let ignored = ignored();
        let taken = PASSED_ON.iter().filter(|signal| ignored & (1 << (**signal - 1)) == 0);
        let (read, write) = UnixStream::pair()?;
        // While SIGCHLD is ignored, the kernel reaps children and discards their status. A handler
        // ends that.
        SignalDelivery::with_pipe(read, write, WithOrigin::default(), taken.chain(more).chain(&[SIGCHLD]))
            .map(Self)
    }

    /// Delivers the pending signals of the keyboard (^C and ^\), and pending signals that were
    /// sent.
    pub(crate) fn pass_on_from_the_keyboard(&mut self, deliver: impl Fn(i32)) {
        let is_key = |origin: &Origin| {
            matches!(origin.signal, SIGINT | SIGQUIT) && matches!(origin.cause, Cause::Kernel)
        };
        // The other pending signals must not be lost either.
        for origin in self.0.pending().filter(|origin| is_key(origin) || was_sent(origin)) {
            deliver(origin.signal);
        }
    }

    /// Delivers signals until the other end of the pipe `entered` is closed. Returns the first that
    /// asks to end: before it has entered the root, the init cannot pass it on.
    pub(crate) fn pass_on_until_entered(&mut self, entered: &OwnedFd, deliver: impl Fn(i32)) -> Option<i32> {
        loop {
            let mut fds =
                [PollFd::new(self.0.get_read(), PollFlags::IN), PollFd::new(entered, PollFlags::IN)];
            let polled = poll(&mut fds, None);
            // Where a filter refuses poll(2), the init passes the signals on later.
            let is_refused = polled.is_err_and(|errno| errno != Errno::INTR);
            if is_refused || polled.is_ok() && !fds[1].revents().is_empty() {
                return None;
            }
            for origin in self.0.pending() {
                if ENDING.contains(&origin.signal) {
                    return Some(origin.signal);
                }
                if was_sent(&origin) {
                    deliver(origin.signal);
                }
            }
        }
    }

    /// Delivers signals that were sent, until `child` ends. Another thread may reap it.
    pub(crate) fn pass_on_until_end(&mut self, child: Pid, stops: Option<&Stops<'_>>, deliver: impl Fn(i32)) {
        // SIGCHLD is not enough: the caller may have blocked it.
        let pidfd = pidfd_open(child, PidfdFlags::empty()).ok();
        loop {
            let woken = self.wait(pidfd.as_ref(), stops);
            for origin in self.0.pending().filter(was_sent) {
                deliver(origin.signal);
            }
            if woken.stop && stops.is_some_and(Stops::heed) {
                deliver(SIGCONT);
            }
            if woken.end || (pidfd.is_none() || woken.is_blind) && has_ended(child) {
                return;
            }
        }
    }

    /// Waits for a signal, a stop, or the end of the child. Without a pidfd, for at most
    /// [`POLL_INTERVAL`].
    fn wait(&self, pidfd: Option<&OwnedFd>, stops: Option<&Stops<'_>>) -> Woken {
        let mut fds = vec![PollFd::new(self.0.get_read(), PollFlags::IN)];
        fds.extend(pidfd.map(|pidfd| PollFd::new(pidfd, PollFlags::IN)));
        fds.extend(stops.map(|stops| PollFd::from_borrowed_fd(stops.fd(), PollFlags::IN)));
        let patience = if pidfd.is_some() { None } else { Timespec::try_from(POLL_INTERVAL).ok() };
        let polled = poll(&mut fds, patience.as_ref());
        let is_blind = polled.is_err_and(|errno| errno != Errno::INTR);
        if is_blind {
            std::thread::sleep(POLL_INTERVAL);
        }
        let is_polled = polled.is_ok();
        let is_ready = |fd: Option<&PollFd<'_>>| is_polled && fd.is_some_and(|fd| !fd.revents().is_empty());
        Woken {
            end: pidfd.is_some() && is_ready(fds.get(1)),
            stop: stops.is_some() && is_ready(fds.last()),
            is_blind,
        }
    }
}

/// Tells which events ended the wait.
struct Woken {
    end: bool,
    stop: bool,
    /// poll(2) was refused and read no event.
    is_blind: bool,
}

/// Returns whether the child has ended, where a filter forbids pidfd_open(2).
fn has_ended(child: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match waitid(WaitId::Pid(child), options) {
        Ok(status) => status.is_some(),
        Err(errno) => errno != Errno::INTR,
    }
}

/// Returns whether a signal must be passed on. The terminal sends ^C to the whole foreground job,
/// the command included, but a hang-up to some processes only.
fn was_sent(origin: &Origin) -> bool {
    origin.signal != SIGCHLD && (origin.signal == SIGHUP || !matches!(origin.cause, Cause::Kernel))
}

/// Returns the signals that this process was started to ignore, as a bit set.
fn ignored() -> u64 {
    let status = fmountat::procfs::text("thread-self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    set.and_then(|text| u64::from_str_radix(text.trim(), 16).ok()).unwrap_or(0)
}

/// Returns the exit status as a shell shows it: 128+N for signal N.
pub(crate) fn shell_status(status: WaitStatus) -> Option<u8> {
    let code = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
    code.map(|code| u8::try_from(code & 0xff).unwrap_or(u8::MAX))
}
