// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs a function in a `CLONE_VM|CLONE_VFORK|CLONE_FILES` child.
//!
//! The child shares memory and descriptors with the caller, which sleeps until the child has
//! exited. So nothing is copied whatever the size of the process, not even page tables. Its exit
//! sends no signal.

use crate::error::WOULD_BE_FIRST;
use crate::sys::errno::last_errno;
use crate::sys::pid_namespace::would_be_first;
use crate::sys::thread::{block_all_signals, reap_clone_child};
use rustix::io::Errno;
use std::ffi::{c_int, c_void};

/// The size of the child's stack, which has no guard page. A few system calls need far less.
const STACK: usize = 32 * 1024;

/// Runs `main(job)` in a child and waits for its exit. The outer error means that no child was made
/// (also [`WOULD_BE_FIRST`]), the inner one that waiting for it failed.
///
/// # Safety
/// `job` must be the argument that `main` expects. `main` may make only system calls: no
/// allocation, no lock, no unwinding. Of this thread's data it may change only the job, apart from
/// data that the thread does not read afterwards.
pub(crate) unsafe fn in_child(
    main: extern "C" fn(*mut c_void) -> c_int,
    job: *mut c_void,
) -> Result<Result<(), Errno>, Errno> {
    if would_be_first() {
        return Err(WOULD_BE_FIRST);
    }
    let mut stack = vec![0u128; STACK / 16];
    // A handler of the caller must not run in the child: it would run twice at once on shared
    // memory.
    let mask = block_all_signals()?;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES;
    // SAFETY: the stack is ours, 16-byte aligned, and outlives the child: CLONE_VFORK keeps this
    // thread asleep until the child has exited. If this thread is killed, it is killed with the
    // whole process, which frees nothing that the child uses. Exit signal 0: no SIGCHLD.
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
