// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Calls that may be the end of who makes them: a seccomp filter can kill in place of answering. Where there is a filter they
//! are tried in a forked child first.
//!
//! The child has a copy of the memory. One that shared it would take its parent along on kernels before 5.16, which end all
//! that share memory with a process that dumps core, and a filter's signal is one that does.

use crate::sys::errno::result;
use crate::sys::pid_namespace::would_be_first;
use crate::sys::thread::reap_clone_child;
use crate::trace;
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::ffi::c_void;
use std::sync::atomic::{AtomicU8, Ordering};

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
    const { assert!(N <= Slate::SIZE) };
    let is_filtered = is_filtered();
    trace::strategy("probe the kernel", if is_filtered { "calls in a child" } else { "calls that fail" });
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
    let slate = Slate::new()?;
    // SAFETY: as fork(2), without its handlers and without a signal at the end. The child makes system calls only, writes to
    // the slate alone, and ends by `_exit`.
    let pid = unsafe {
        let pid = result(libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0))?;
        if pid == 0 {
            for (question, place) in questions.iter().zip(slate.places()) {
                place.store(if question() { YES } else { NO }, Ordering::Release);
            }
            libc::_exit(0);
        }
        pid
    };
    reap_clone_child(libc::pid_t::try_from(pid).map_err(|_| Errno::CHILD)?)?;
    let told = slate.places().iter().map(|place| place.load(Ordering::Acquire));
    let told = told.zip(answers).take_while(|(word, _)| *word != UNANSWERED);
    Ok(told.map(|(word, answer)| *answer = word == YES).count())
}

const UNANSWERED: u8 = 0;

const NO: u8 = 1;

const YES: u8 = 2;

/// Memory that a forked child shares with its parent: unlike a pipe it takes no descriptors, which may have run out.
struct Slate(*mut c_void);

impl Slate {
    const SIZE: usize = 64;

    fn new() -> Result<Self, Errno> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping, at a place that the kernel chooses.
        unsafe { mmap_anonymous(std::ptr::null_mut(), Self::SIZE, access, MapFlags::SHARED) }.map(Self)
    }

    fn places(&self) -> &[AtomicU8] {
        // SAFETY: the mapping is that long, filled with zeros and aligned to pages, and lives as long as `self`; both
        // processes look at it as atomics only.
        unsafe { std::slice::from_raw_parts(self.0.cast::<AtomicU8>(), Self::SIZE) }
    }
}

impl Drop for Slate {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and no reference to it is left.
        let _ = unsafe { munmap(self.0, Self::SIZE) };
    }
}
