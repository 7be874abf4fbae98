// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Calls that may be the end of who makes them: a seccomp filter can kill in place of answering. Where there is a filter they
//! are tried in a forked child first.
//!
//! The child has a copy of the memory. One that shared it would take its parent along on kernels before 5.16, which end all
//! that share memory with a process that dumps core, and a filter's signal is one that does.

use super::first::would_be_first;
use super::result;
use super::thread::reap_clone_child;
use crate::ways::{AskKernel, Ways};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

/// A question to the kernel by one system call: no allocation, no lock.
pub(crate) type Question = fn() -> bool;

/// Whether a filter is in force for the calling thread: `prctl(PR_GET_SECCOMP)`.
pub(crate) fn is_filtered() -> bool {
    // SAFETY: numbers only.
    unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) != 0 }
}

/// The answers; no for a question that kills, and for all where a child may not be made ([`would_be_first`]). Without a filter
/// they are asked here, which costs nothing.
pub(crate) fn ask<const N: usize>(questions: [Question; N]) -> [bool; N] {
    let is_filtered = is_filtered();
    if is_filtered { AskKernel::Child } else { AskKernel::Here }.taken();
    if !is_filtered {
        return questions.map(|question| question());
    }
    let mut answers = [false; N];
    if would_be_first() {
        return answers;
    }
    let mut next = 0;
    while next < N {
        match in_fork(&questions[next..], &mut answers[next..]) {
            // The one after the last answer has killed the child.
            Ok(answered) => next += answered + 1,
            // No child can be made: nobody can be asked.
            Err(_) => break,
        }
    }
    answers
}

/// How many questions a child has answered before it ended.
fn in_fork(questions: &[Question], answers: &mut [bool]) -> Result<usize, Errno> {
    let (from, to) = pipe_with(PipeFlags::CLOEXEC)?;
    // SAFETY: as fork(2), without its handlers and without a signal at the end. The child makes system calls only, on
    // descriptors that are its own, and ends by `_exit`.
    let pid = unsafe {
        let pid = result(libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0))?;
        if pid == 0 {
            answer(questions, &to);
            libc::_exit(0);
        }
        pid
    };
    drop(to);
    let mut answered = 0;
    let mut byte = [0u8];
    while answered < answers.len() {
        match rustix::io::read(from.as_fd(), &mut byte) {
            Ok(1) => {
                answers[answered] = byte[0] == 1;
                answered += 1;
            }
            Err(Errno::INTR) => {}
            _ => break,
        }
    }
    reap_clone_child(libc::pid_t::try_from(pid).map_err(|_| Errno::CHILD)?)?;
    Ok(answered)
}

fn answer(questions: &[Question], to: &OwnedFd) {
    for question in questions {
        if rustix::io::write(to, &[u8::from(question())]).is_err() {
            return;
        }
    }
}
