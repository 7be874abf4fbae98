// SPDX-License-Identifier: Apache-2.0 OR MIT
//! System calls that belong together, made by a child that outlives its caller: `kill -9` of the caller between two of them
//! does not leave them half done.
//!
//! The child shares memory and descriptors with the caller (see `vfork`) and is no part of its process, its session or its
//! process group. When the caller is killed it goes on, and with it stay the memory and the descriptors that it uses.

use crate::sys::vfork::in_child;
use rustix::io::Errno;
use std::ffi::{c_int, c_void};

struct Job<F, T> {
    work: F,
    done: Option<T>,
}

extern "C" fn child_main<T, F: FnMut() -> T>(job: *mut c_void) -> c_int {
    // SAFETY: `job` is the `Job` of these types that `outlive` keeps alive: its thread sleeps while we run (CLONE_VFORK), or
    // was killed, and then its memory lives as long as we do.
    let job = unsafe { &mut *job.cast::<Job<F, T>>() };
    // A signal to the caller's process group is none to this process. It leads no group, so it can't fail.
    let _ = rustix::process::setsid();
    job.done = Some((job.work)());
    0
}

/// Does `work` in the child and gives its answer. There is none from a child that a seccomp filter has killed. The error means
/// that there was no child.
///
/// # Safety
/// `work` makes rustix's system calls, and this wing's, on strings and numbers that are ready: no allocation, no lock that a
/// killed thread could have held, no panic.
pub(crate) unsafe fn outlive<T, F: FnMut() -> T>(work: F) -> Result<Option<T>, Errno> {
    let mut job = Job { work, done: None };
    // SAFETY: `child_main` takes a `Job` of these types, which outlives this call; the caller answers for `work`.
    let _ = unsafe { in_child(child_main::<T, F>, (&raw mut job).cast()) }?;
    Ok(job.done)
}
