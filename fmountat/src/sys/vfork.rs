// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A `CLONE_VM|CLONE_VFORK|CLONE_FILES` child: what each call that is made in one has in common.
//!
//! It shares memory and descriptors with the caller, which sleeps until it has exited, so nothing is copied whatever
//! the size of the process. It is no `fork`: no page table is duplicated, and its exit sends no signal.

use crate::error::WOULD_BE_FIRST;
use crate::sys::errno::last_errno;
use crate::sys::pid_namespace::would_be_first;
use crate::sys::thread::{block_all_signals, reap_clone_child};
use rustix::io::Errno;
use std::ffi::{c_int, c_void};

/// The child has no guard page of its own to grow into; a few system calls need far less than this.
const STACK: usize = 32 * 1024;

/// Runs `main(job)` in a child and waits for its end. The outer error means that there was none ([`WOULD_BE_FIRST`] too), the
/// inner one that its end could not be waited for.
///
/// # Safety
/// `job` is what `main` takes, and only system calls are made on it: no allocation, no lock, no unwinding, nothing of this
/// thread's that is looked at afterwards but the job.
pub(crate) unsafe fn in_child(
    main: extern "C" fn(*mut c_void) -> c_int,
    job: *mut c_void,
) -> Result<Result<(), Errno>, Errno> {
    if would_be_first() {
        return Err(WOULD_BE_FIRST);
    }
    let mut stack = vec![0u128; STACK / 16];
    // A handler of the caller that ran in the child would run twice at once on shared memory.
    let mask = block_all_signals()?;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES;
    // SAFETY: the stack is ours, 16-byte aligned, and outlives the child, since CLONE_VFORK keeps this thread asleep
    // until the child has exited, or it is killed with the whole process, which frees nothing that the child uses. Exit
    // signal 0: no SIGCHLD.
    let pid = unsafe {
        let top = stack.as_mut_ptr().add(stack.len());
        libc::clone(main, top.cast(), flags, job)
    };
    let clone_errno = (pid < 0).then(last_errno);
    let reaped = if pid > 0 { reap_clone_child(pid) } else { Ok(()) };
    drop(mask);
    match clone_errno {
        Some(errno) => Err(errno),
        None => Ok(reaped),
    }
}
