// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Probes system calls under a seccomp filter, which may kill the caller instead of returning an
//! error. If a filter is in force, a forked child makes the calls.
//!
//! The child has a copy of the memory. Before 5.16 the kernel ends all processes that share memory
//! with one that dumps core, and the signal of a filter dumps core.

use crate::sys::errno::result;
use crate::sys::pid_namespace::would_be_first;
use crate::sys::thread::reap_clone_child;
use crate::trace;
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::ffi::c_void;
use std::sync::atomic::{AtomicU8, Ordering};

/// A probe that makes one system call: no allocation, no lock.
pub(crate) type Probe = fn() -> bool;

/// Reports whether a seccomp filter is in force for the calling thread: `prctl(PR_GET_SECCOMP)`.
pub(crate) fn is_filtered() -> bool {
    // SAFETY: numbers only.
    unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) != 0 }
}

/// Runs the probes and returns their results. A probe that is killed returns false, as do all if no
/// child may be made ([`would_be_first`]). Without a filter the calling thread runs them, which
/// saves the child.
pub(crate) fn ask<const N: usize>(probes: [Probe; N]) -> [bool; N] {
    const { assert!(N <= SharedMemory::SIZE) };
    let is_filtered = is_filtered();
    trace::strategy("probe the kernel", if is_filtered { "calls in a child" } else { "calls that fail" });
    if !is_filtered {
        return probes.map(|probe| probe());
    }
    let mut answers = [false; N];
    if would_be_first() {
        return answers;
    }
    let mut next = 0;
    while next < N {
        match in_fork(&probes[next..], &mut answers[next..]) {
            // The probe after the last result killed the child.
            Ok(answered) => next += answered + 1,
            // No child can be made: the remaining probes return false.
            Err(_) => break,
        }
    }
    answers
}

/// Runs the probes in a forked child and returns how many returned before it ended.
fn in_fork(probes: &[Probe], answers: &mut [bool]) -> Result<usize, Errno> {
    let shared = SharedMemory::new()?;
    // SAFETY: as fork(2), without its handlers and without an exit signal. The child makes only
    // system calls, writes only to the shared memory, and ends with `_exit`.
    let pid = unsafe {
        let pid = result(libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0))?;
        if pid == 0 {
            for (probe, result) in probes.iter().zip(shared.results()) {
                result.store(if probe() { YES } else { NO }, Ordering::Release);
            }
            libc::_exit(0);
        }
        pid
    };
    reap_clone_child(libc::pid_t::try_from(pid).map_err(|_| Errno::CHILD)?)?;
    let values = shared.results().iter().map(|result| result.load(Ordering::Acquire));
    let values = values.zip(answers).take_while(|(value, _)| *value != UNANSWERED);
    Ok(values.map(|(value, answer)| *answer = value == YES).count())
}

const UNANSWERED: u8 = 0;

const NO: u8 = 1;

const YES: u8 = 2;

/// Memory that a forked child shares with its parent. Unlike a pipe it needs no descriptors, of
/// which none may be left.
struct SharedMemory(*mut c_void);

impl SharedMemory {
    const SIZE: usize = 64;

    fn new() -> Result<Self, Errno> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping, at an address that the kernel chooses.
        unsafe { mmap_anonymous(std::ptr::null_mut(), Self::SIZE, access, MapFlags::SHARED) }.map(Self)
    }

    fn results(&self) -> &[AtomicU8] {
        // SAFETY: the mapping has this size, is filled with zeros and page-aligned, and exists as
        // long as `self`. Both processes access it only as atomics.
        unsafe { std::slice::from_raw_parts(self.0.cast::<AtomicU8>(), Self::SIZE) }
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and no reference to it is left.
        let _ = unsafe { munmap(self.0, Self::SIZE) };
    }
}
