// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Gives the terminal to the command and takes it back, so that job control works inside and
//! outside of the pid namespace.
//!
//! If the supervisor's process group has the terminal, the command gets its own process group, and
//! the terminal: a shell inside needs a foreground group that has a number in its pid namespace.
//! The terminal then stops (^Z) only the command's group. The init stops the supervisor's group
//! too, by kill(0), which works across the namespaces.

use nix::sys::signal::{SigSet, Signal as NixSignal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, kill_current_process_group, kill_process, kill_process_group, test_kill_process_group,
};
use rustix::termios::{tcgetpgrp, tcsetpgrp};
use signal_hook::consts::SIGCONT;

/// The signals that the supervisor sends to the init in place of SIGCONT, if the command has the
/// terminal. Only the supervisor can see whether the job continues in the foreground. SIGURG and
/// SIGIO have no other use in the init. The signals of job control cannot be used: the init sends
/// them to its whole group.
pub(crate) const CONTINUE_IN_FOREGROUND: i32 = signal_hook::consts::SIGURG;
pub(crate) const CONTINUE_IN_BACKGROUND: i32 = signal_hook::consts::SIGIO;

/// Controls the terminal on stdin for the supervisor, if its process group had the terminal at the
/// start.
#[derive(Debug)]
pub(crate) struct Terminal {
    own: Option<Pid>,
    /// /proc before the init enters its root. The new /proc does not show the processes outside.
    proc: Option<OwnedFd>,
}

impl Terminal {
    pub(crate) fn of_caller() -> Self {
        // In a nested `run`, our group may belong to an outer pid namespace and have the number 0,
        // which a `Pid` of rustix cannot hold.
        let own = Pid::from_raw(nix::unistd::getpgrp().as_raw());
        let own = foreground().filter(|group| Some(*group) == own);
        let proc = own.and_then(|_| fmountat::procfs::root().ok());
        Self { own, proc }
    }

    /// Returns whether the command gets the terminal.
    pub(crate) fn is_ours(&self) -> bool {
        self.own.is_some()
    }

    /// Passes a signal on to the init.
    pub(crate) fn deliver(&self, init: Pid, signal: i32) {
        let signal = match self.own {
            Some(_) if signal != SIGCONT => signal,
            Some(own) if foreground() == Some(own) => CONTINUE_IN_FOREGROUND,
            Some(_) => CONTINUE_IN_BACKGROUND,
            None => signal,
        };
        send(init, signal);
    }

    /// Blocks the stop signals, if the command gets the terminal.
    pub(crate) fn stops(&self, init: Pid) -> Option<Stops<'_>> {
        if self.is_ours() { Stops::take(self, init).ok() } else { None }
    }

    /// Returns whether the foreground group is ours or one of the command's. A foreground group
    /// without processes was the command's: a shell that waits for this job would be in the
    /// foreground itself.
    fn is_in_foreground(&self, init: Pid) -> bool {
        let is_gone = |group| test_kill_process_group(group) == Err(Errno::SRCH);
        // This check is the last one: the group may end during the others.
        foreground()
            .is_some_and(|group| Some(group) == self.own || self.descends_from(group, init) || is_gone(group))
    }

    /// Returns whether the process descends from the init. One that /proc does not show does not.
    fn descends_from(&self, mut process: Pid, ancestor: Pid) -> bool {
        while process != ancestor {
            match self.parent_of(process) {
                Some(parent) => process = parent,
                None => return false,
            }
        }
        true
    }

    fn parent_of(&self, process: Pid) -> Option<Pid> {
        let path = format!("{}/status", process.as_raw_nonzero());
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(self.proc.as_ref()?, path, flags, Mode::empty()).ok()?;
        let status = std::io::read_to_string(std::fs::File::from(file)).ok()?;
        let number = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
        number.trim().parse().ok().and_then(Pid::from_raw)
    }

    /// Makes our group the foreground group again, after the command has ended.
    pub(crate) fn take_back(&self) {
        if let Some(group) = self.own {
            give_to(group);
        }
    }
}

/// Blocks SIGTTIN and SIGTTOU. The init sends them to our group if the command uses the terminal in
/// the background. They remain blocked until the supervisor has checked that the job is still in
/// the background. A SIGCONT in between (`fg`) makes the kernel discard them. An earlier SIGCONT is
/// detected by the foreground group.
#[derive(Debug)]
pub(crate) struct Stops<'a> {
    signals: SigSet,
    fd: SignalFd,
    terminal: &'a Terminal,
    init: Pid,
}

impl<'a> Stops<'a> {
    /// Blocks the signals. Call it after the init was started, which would inherit the mask.
    fn take(terminal: &'a Terminal, init: Pid) -> nix::Result<Self> {
        let mut signals = SigSet::empty();
        signals.add(NixSignal::SIGTTIN);
        signals.add(NixSignal::SIGTTOU);
        let fd = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        signals.thread_block()?;
        Ok(Self { signals, fd, terminal, init })
    }

    /// Returns a descriptor that is readable while one of the signals is pending.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Stops this process, or returns true if the job has the terminal again and must continue.
    pub(crate) fn heed(&self) -> bool {
        if self.terminal.is_in_foreground(self.init) {
            return matches!(self.fd.read_signal(), Ok(Some(_)));
        }
        let _ = self.signals.thread_unblock();
        let _ = self.signals.thread_block();
        false
    }
}

/// Controls the command for the init: its process id, and whether it has its own group and the
/// terminal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job {
    pub(crate) command: Pid,
    pub(crate) has_terminal: bool,
}

impl Job {
    /// Gives the terminal to the command. If the command was stopped for want of it,
    /// [`stopped`](Self::stopped) resumes it.
    pub(crate) fn start(self) {
        if self.has_terminal {
            give_to(self.command);
        }
    }

    /// Passes on a signal that was sent to the init.
    pub(crate) fn deliver(self, signal: i32) {
        if !self.has_terminal {
            return send(self.command, signal);
        }
        match signal {
            CONTINUE_IN_FOREGROUND => {
                give_to(self.command);
                self.resume();
            }
            CONTINUE_IN_BACKGROUND => self.resume(),
            // The whole group receives it. The supervisor then sends one of the two signals above.
            SIGCONT => {}
            _ => send(self.command, signal),
        }
    }

    fn resume(self) {
        let _ = kill_process_group(self.command, Signal::CONT);
    }

    /// Stops the whole job after the command was stopped, so that the outer shell sees it stopped.
    pub(crate) fn stopped(self, signal: i32) {
        let Some(signal) = Signal::from_named_raw(signal).filter(|_| self.has_terminal) else {
            return;
        };
        let wants_terminal = signal == Signal::TTIN || signal == Signal::TTOU;
        if wants_terminal && foreground() == Some(self.command) {
            // The command used the terminal before it had it.
            self.resume();
        } else if wants_terminal || signal == Signal::TSTP {
            let _ = kill_current_process_group(signal);
        }
    }
}

/// Returns the foreground group of the terminal on stdin, or `None` for a group without a number in
/// our pid namespace.
fn foreground() -> Option<Pid> {
    tcgetpgrp(std::io::stdin()).ok()
}

fn give_to(group: Pid) {
    // A background process must block SIGTTOU to change the foreground group: tcsetpgrp(3).
    let mut only = SigSet::empty();
    only.add(NixSignal::SIGTTOU);
    if only.thread_block().is_ok() {
        let _ = tcsetpgrp(std::io::stdin(), group);
        let _ = only.thread_unblock();
    }
}

fn send(to: Pid, signal: i32) {
    if let Some(signal) = Signal::from_named_raw(signal) {
        // The process may have ended.
        let _ = kill_process(to, signal);
    }
}
