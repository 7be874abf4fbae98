// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The caller's terminal: given back after a command that took it, as a shell with job control does.

use nix::sys::signal::{SigSet, Signal};
use rustix::process::{Pid, getpgrp};
use rustix::termios::{tcgetpgrp, tcsetpgrp};

/// The terminal on stdin, if this process's group had it at the start.
#[derive(Debug)]
pub(crate) struct Terminal(Option<Pid>);

impl Terminal {
    pub(crate) fn look() -> Self {
        let own = getpgrp();
        Self(tcgetpgrp(std::io::stdin()).ok().filter(|foreground| *foreground == own))
    }

    /// Makes our group the foreground group again. The command's is gone, and a group that is gone can't be read for.
    pub(crate) fn take_back(&self) {
        let Some(group) = self.0 else {
            return;
        };
        // For a background process that changes the group, SIGTTOU must be blocked: tcsetpgrp(3).
        let mut only = SigSet::empty();
        only.add(Signal::SIGTTOU);
        if only.thread_block().is_ok() {
            let _ = tcsetpgrp(std::io::stdin(), group);
            let _ = only.thread_unblock();
        }
    }
}
