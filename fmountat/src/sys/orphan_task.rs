// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs system calls that belong together in a child that outlives its caller, so that `kill -9` of
//! the caller between two of them does not leave half of the changes.
//!
//! The child shares memory and descriptors with the caller (see `vfork`), but is not in its
//! process, session or process group. If the caller is killed the child continues, and the memory
//! and descriptors that it uses continue to exist.

use crate::sys::vfork::in_child;
use rustix::io::Errno;
use std::ffi::{c_int, c_void};

struct OrphanTask<F, T> {
    work: F,
    done: Option<T>,
}

extern "C" fn child_main<T, F: FnMut() -> T>(job: *mut c_void) -> c_int {
    // SAFETY: `job` is the `OrphanTask` of these types that `run_orphan_task` keeps alive. Its
    // thread sleeps while we run (CLONE_VFORK), or was killed, and then its memory exists as long
    // as we do.
    let job = unsafe { &mut *job.cast::<OrphanTask<F, T>>() };
    // Leave the session, so that a signal to the caller's process group does not reach us. We lead
    // no group, so it can't fail.
    let _ = rustix::process::setsid();
    job.done = Some((job.work)());
    0
}

/// Runs `work` in the child and returns its result, or `None` if a seccomp filter killed the child.
/// The error means that no child was made.
///
/// # Safety
/// `work` may make only the system calls of rustix and of this module, on arguments that exist
/// already: no allocation, no lock that a killed thread could have held, no panic.
pub(crate) unsafe fn run_orphan_task<T, F: FnMut() -> T>(work: F) -> Result<Option<T>, Errno> {
    let mut job = OrphanTask { work, done: None };
    // SAFETY: `child_main` takes a `OrphanTask` of these types, which outlives this call. The
    // caller guarantees the rest for `work`.
    let _ = unsafe { in_child(child_main::<T, F>, (&raw mut job).cast()) }?;
    Ok(job.done)
}
