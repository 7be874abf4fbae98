// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The terminal, handed to the command and back, so that job control works on both sides of the namespace.
//!
//! Where the supervisor's process group has the terminal, the command gets a group of its own and the terminal with it: a
//! shell inside must see a group that has a number in its pid namespace. What a terminal then does to the command's
//! group alone (^Z) the init does to the supervisor's group, by kill(0): that reaches it in its namespace.

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

/// What the supervisor sends to an init whose command has the terminal, in place of SIGCONT: only outside is it known
/// whether the job goes on in the foreground. These two mean nothing to an init otherwise; those of job control itself
/// would not do, since the init sends them to its whole group.
pub(crate) const GO_ON_IN_FOREGROUND: i32 = signal_hook::consts::SIGURG;
pub(crate) const GO_ON_IN_BACKGROUND: i32 = signal_hook::consts::SIGIO;

/// The supervisor's side: the terminal on stdin, if this process's group had it at the start.
#[derive(Debug)]
pub(crate) struct Terminal {
    own: Option<Pid>,
    /// /proc as it was: what is there once the init has entered its root knows of no process outside.
    proc: Option<OwnedFd>,
}

impl Terminal {
    pub(crate) fn look() -> Self {
        // In a nested `run` our group may be one of an outer pid namespace, without a number here: rustix allows no such.
        let own = Pid::from_raw(nix::unistd::getpgrp().as_raw());
        let own = foreground().filter(|group| Some(*group) == own);
        let proc = own.and_then(|_| fmountat::procfs::root().ok());
        Self { own, proc }
    }

    /// Whether the command is to have it.
    pub(crate) fn is_ours(&self) -> bool {
        self.own.is_some()
    }

    /// Passes a signal on to the init.
    pub(crate) fn deliver(&self, init: Pid, signal: i32) {
        let signal = match self.own {
            Some(_) if signal != SIGCONT => signal,
            Some(own) if foreground() == Some(own) => GO_ON_IN_FOREGROUND,
            Some(_) => GO_ON_IN_BACKGROUND,
            None => signal,
        };
        send(init, signal);
    }

    /// The stop signals that are to be looked at first.
    pub(crate) fn stops(&self, init: Pid) -> Option<Stops<'_>> {
        if self.is_ours() { Stops::take(self, init).ok() } else { None }
    }

    /// Whether our group has the terminal, or one of the command's. One that is gone was the command's, which has ended: a shell
    /// that waits for us is there.
    fn is_in_foreground(&self, init: Pid) -> bool {
        let is_gone = |group| test_kill_process_group(group) == Err(Errno::SRCH);
        // Whether it is gone comes last: it may go while it is looked for.
        foreground()
            .is_some_and(|group| Some(group) == self.own || self.descends_from(group, init) || is_gone(group))
    }

    /// Whether the process is one of the init's. What /proc does not tell is not.
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

    /// Makes our group the foreground group again. The command's is gone, and nobody could read for one that is gone.
    pub(crate) fn take_back(&self) {
        if let Some(group) = self.own {
            give_to(group);
        }
    }
}

/// SIGTTIN and SIGTTOU, with which the init stops our group where the command wants the terminal in the background. They are
/// blocked until it is known that the job still is there: a SIGCONT that comes meanwhile (`fg`) makes the kernel forget them,
/// and one that has come before is seen by who has the terminal.
#[derive(Debug)]
pub(crate) struct Stops<'a> {
    signals: SigSet,
    fd: SignalFd,
    terminal: &'a Terminal,
    init: Pid,
}

impl<'a> Stops<'a> {
    /// After the init was started, which would inherit what is blocked.
    fn take(terminal: &'a Terminal, init: Pid) -> nix::Result<Self> {
        let mut signals = SigSet::empty();
        signals.add(NixSignal::SIGTTIN);
        signals.add(NixSignal::SIGTTOU);
        let fd = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        signals.thread_block()?;
        Ok(Self { signals, fd, terminal, init })
    }

    /// Readable when one has come.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Stops here, unless the job has the terminal by now: then it is to go on, and the answer is true.
    pub(crate) fn heed(&self) -> bool {
        if self.terminal.is_in_foreground(self.init) {
            return matches!(self.fd.read_signal(), Ok(Some(_)));
        }
        let _ = self.signals.thread_unblock();
        let _ = self.signals.thread_block();
        false
    }
}

/// The init's side: the command, and whether it has a group of its own and the terminal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job {
    pub(crate) command: Pid,
    pub(crate) has_terminal: bool,
}

impl Job {
    /// Gives the terminal to the command; one that stopped meanwhile, for want of it, goes on.
    pub(crate) fn start(self) {
        if self.has_terminal {
            give_to(self.command);
        }
    }

    /// A signal that somebody sent to us, for the command.
    pub(crate) fn deliver(self, signal: i32) {
        if !self.has_terminal {
            return send(self.command, signal);
        }
        match signal {
            GO_ON_IN_FOREGROUND => {
                give_to(self.command);
                self.go_on();
            }
            GO_ON_IN_BACKGROUND => self.go_on(),
            // It came to our whole group; the supervisor has it too, and says which of the two it means.
            SIGCONT => {}
            _ => send(self.command, signal),
        }
    }

    fn go_on(self) {
        let _ = kill_process_group(self.command, Signal::CONT);
    }

    /// The command was stopped: so is the job that the outer shell sees.
    pub(crate) fn stopped(self, signal: i32) {
        let Some(signal) = Signal::from_named_raw(signal).filter(|_| self.has_terminal) else {
            return;
        };
        let wants_terminal = signal == Signal::TTIN || signal == Signal::TTOU;
        if wants_terminal && foreground() == Some(self.command) {
            // It asked before it had it.
            self.go_on();
        } else if wants_terminal || signal == Signal::TSTP {
            let _ = kill_current_process_group(signal);
        }
    }
}

/// The foreground group of the terminal on stdin; none for a group without a number in our pid namespace.
fn foreground() -> Option<Pid> {
    tcgetpgrp(std::io::stdin()).ok()
}

fn give_to(group: Pid) {
    // For a background process that changes the group, SIGTTOU must be blocked: tcsetpgrp(3).
    let mut only = SigSet::empty();
    only.add(NixSignal::SIGTTOU);
    if only.thread_block().is_ok() {
        let _ = tcsetpgrp(std::io::stdin(), group);
        let _ = only.thread_unblock();
    }
}

fn send(to: Pid, signal: i32) {
    if let Some(signal) = Signal::from_named_raw(signal) {
        // A process that has just ended is none to send to.
        let _ = kill_process(to, signal);
    }
}
