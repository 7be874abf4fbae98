// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The data that the two processes of a helper share with the thread that waits for them.

use crate::error::Syscall;
use rustix::fd::RawFd;
use std::ffi::{c_char, c_int, c_void};

/// Shared by the caller, the subreaper, and the helper until execve(2).
pub(crate) struct HelperJob {
    pub(crate) argv: *const *const c_char,
    pub(crate) environment: *const *const c_char,
    pub(crate) dir: RawFd,
    pub(crate) input: RawFd,
    pub(crate) output: RawFd,
    pub(crate) caller_pid: libc::pid_t,
    pub(crate) limit_ms: i64,
    pub(crate) helper_stack: *mut c_void,
    pub(crate) subreaper_pid: libc::pid_t,
    /// `None` until the subreaper or the helper has an answer.
    pub(crate) answer: Option<Answer>,
    /// Whether the subreaper has ended by itself. The helper then uses this memory no more.
    pub(crate) is_over: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    /// The call that failed before the program was executed, and its errno.
    Failed(Syscall, c_int),
    /// The wait status.
    Ended(c_int),
    TimedOut,
}
