// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A `CLONE_VM|CLONE_VFORK` child that does `fchdir` and `mount` with a filesystem state of its own.
//!
//! It shares memory and descriptors with the caller, which sleeps until it has exited, so nothing is copied whatever
//! the size of the process. It is no `fork`: no page table is duplicated, and its exit sends no signal.

use super::last_errno;
use super::thread::{block_all_signals, reap_clone_child};
use rustix::fd::RawFd;
use rustix::io::Errno;
use std::ffi::{CStr, c_char, c_int, c_ulong, c_void};

/// What a child is to do, and where it leaves its answer.
struct Job {
    dir: Option<RawFd>,
    source: *const c_char,
    target: *const c_char,
    fstype: *const c_char,
    flags: c_ulong,
    data: *const c_void,
    failed: Option<(Step, i32)>,
}

/// The system call that failed in the child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// `clone(2)` itself, or waiting for the child.
    Clone,
    /// `fchdir(2)` to the directory.
    Fchdir,
    /// `mount(2)`.
    Mount,
}

/// The child has no guard page of its own to grow into; two system calls need far less than this.
const STACK: usize = 32 * 1024;

extern "C" fn child_main(job: *mut c_void) -> c_int {
    // SAFETY: `job` is the `Job` that `mount_in_child` keeps alive, and its thread sleeps while we run (CLONE_VFORK).
    // The strings in it are NUL-terminated and outlive us for the same reason. Only system calls are made: no
    // allocation, no lock, no unwinding. `errno` is the sleeping thread's own, which it does not look at.
    unsafe {
        let job = &mut *job.cast::<Job>();
        if job.dir.is_some_and(|dir| libc::fchdir(dir) != 0) {
            job.failed = Some((Step::Fchdir, *libc::__errno_location()));
        } else if libc::mount(job.source, job.target, job.fstype, job.flags, job.data) != 0 {
            job.failed = Some((Step::Mount, *libc::__errno_location()));
        }
    }
    0
}

/// `fchdir(dir)` and `mount(source, target, fstype, flags, data)` in a child that shares all but the cwd. Without `dir`
/// it stays in the caller's, which it has a copy of.
pub(crate) fn mount_in_child(
    dir: Option<RawFd>,
    source: &CStr,
    target: &CStr,
    fstype: &CStr,
    flags: c_ulong,
    data: Option<&CStr>,
) -> Result<(), (Step, Errno)> {
    let mut job = Job {
        dir,
        source: source.as_ptr(),
        target: target.as_ptr(),
        fstype: fstype.as_ptr(),
        flags,
        data: data.map_or(std::ptr::null(), |d| d.as_ptr().cast()),
        failed: None,
    };
    let mut stack = vec![0u128; STACK / 16];
    // A handler of the caller that ran in the child would run twice at once on shared memory.
    let mask = block_all_signals().map_err(|e| (Step::Clone, e))?;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES;
    // SAFETY: the stack is ours, 16-byte aligned, and outlives the child, since CLONE_VFORK keeps this thread asleep
    // until the child has exited; `child_main` keeps to its own safety rules above. Exit signal 0: no SIGCHLD.
    let pid = unsafe {
        let top = stack.as_mut_ptr().add(stack.len());
        libc::clone(child_main, top.cast(), flags, (&raw mut job).cast())
    };
    let clone_errno = (pid < 0).then(last_errno);
    let reaped = if pid > 0 { reap_clone_child(pid) } else { Ok(()) };
    drop(mask);
    if let Some(errno) = clone_errno {
        return Err((Step::Clone, errno));
    }
    if let Some((step, errno)) = job.failed {
        return Err((step, Errno::from_raw_os_error(errno)));
    }
    reaped.map_err(|e| (Step::Clone, e))
}
