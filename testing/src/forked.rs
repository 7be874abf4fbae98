// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Processes of a case that observe or attack until the case stops them.

use crate::raw::{exit_now, fork, reap};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{Read, Write};

/// A process that runs a part of the case. Drop kills it.
#[derive(Debug)]
pub struct Forked {
    pid: Pid,
    /// Written to ask for the end. Closing it has no meaning: processes that are started later
    /// inherit it.
    stop: OwnedFd,
    answer: File,
}

/// Tells the process whether it must stop.
#[derive(Debug)]
pub struct Stop(OwnedFd);

impl Stop {
    /// Returns whether the case has asked for the end.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
    }
}

impl Forked {
    /// Starts the process. The case must have no other thread. `body` returns numbers; if it
    /// panics, the process ends without them.
    ///
    /// # Panics
    /// If fork(2) or pipe2(2) fails.
    #[must_use]
    pub fn start<const N: usize>(body: impl FnOnce(&Stop) -> [u64; N]) -> Self {
        let (is_asked, stop) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let (answer, give) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        match fork() {
            Some(pid) => Self { pid, stop, answer: File::from(answer) },
            None => {
                drop((stop, answer));
                let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| body(&Stop(is_asked))));
                if let Ok(numbers) = &done {
                    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_ne_bytes()).collect();
                    let _ = File::from(give).write_all(&bytes);
                }
                exit_now(i32::from(done.is_err()))
            }
        }
    }

    /// Asks the process to stop, and waits for its numbers.
    ///
    /// # Panics
    /// If it panicked, or if the count of numbers differs.
    #[must_use]
    pub fn end<const N: usize>(mut self) -> [u64; N] {
        rustix::io::write(&self.stop, b"x").unwrap();
        let mut bytes = Vec::new();
        self.answer.read_to_end(&mut bytes).unwrap();
        let numbers: Vec<u64> =
            bytes.chunks_exact(8).map(|chunk| u64::from_ne_bytes(chunk.try_into().unwrap())).collect();
        numbers.try_into().expect("a process of the case has failed")
    }
}

impl Drop for Forked {
    fn drop(&mut self) {
        let _ = kill_process(self.pid, Signal::KILL);
        reap(self.pid);
    }
}
