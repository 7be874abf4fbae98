// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A child (see `vfork`) that calls fchdir(2) and mount(2) with its own cwd.

use crate::sys::vfork::in_child;
use rustix::fd::RawFd;
use rustix::io::Errno;
use std::ffi::{CStr, c_char, c_int, c_ulong, c_void};

/// The arguments of the child, and its answer.
struct MountJob {
    pub(crate) dir: Option<RawFd>,
    source: *const c_char,
    target: *const c_char,
    fstype: *const c_char,
    flags: c_ulong,
    data: *const c_void,
    failed: Option<(CallStep, i32)>,
}

/// The system call that failed in the child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallStep {
    /// clone(2), or waiting for the child.
    Clone,
    /// fchdir(2) to the directory.
    Fchdir,
    /// mount(2).
    Mount,
}

extern "C" fn child_main(job: *mut c_void) -> c_int {
    // SAFETY: `job` is the `MountJob` that `mount_in_child` keeps alive, and its thread sleeps
    // while we run (CLONE_VFORK). The strings in it are NUL-terminated and outlive us for the same
    // reason. Only system calls are made: no allocation, no lock, no unwinding. `errno` is that of
    // the sleeping thread, which does not read it.
    unsafe {
        let job = &mut *job.cast::<MountJob>();
        if job.dir.is_some_and(|dir| libc::fchdir(dir) != 0) {
            job.failed = Some((CallStep::Fchdir, *libc::__errno_location()));
        } else if libc::mount(job.source, job.target, job.fstype, job.flags, job.data) != 0 {
            job.failed = Some((CallStep::Mount, *libc::__errno_location()));
        }
    }
    0
}

/// Calls `fchdir(dir)` and `mount(source, target, fstype, flags, data)` in a child that shares
/// everything but the cwd. Without `dir` it keeps its copy of the caller's cwd.
pub(crate) fn mount_in_child(
    dir: Option<RawFd>,
    source: &CStr,
    target: &CStr,
    fstype: &CStr,
    flags: c_ulong,
    data: Option<&CStr>,
) -> Result<(), (CallStep, Errno)> {
    let mut job = MountJob {
        dir,
        source: source.as_ptr(),
        target: target.as_ptr(),
        fstype: fstype.as_ptr(),
        flags,
        data: data.map_or(std::ptr::null(), |d| d.as_ptr().cast()),
        failed: None,
    };
    // SAFETY: `child_main` takes a `MountJob`, whose strings outlive this call, and makes only
    // system calls.
    let reaped = unsafe { in_child(child_main, (&raw mut job).cast()) }.map_err(|e| (CallStep::Clone, e))?;
    if let Some((step, errno)) = job.failed {
        return Err((step, Errno::from_raw_os_error(errno)));
    }
    reaped.map_err(|e| (CallStep::Clone, e))
}
