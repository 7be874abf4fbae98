// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs a program to its end or to a time limit. The program is no child of the caller for SIGCHLD
//! and wait(2).
//!
//! execve(2) resets the exit signal of every process to SIGCHLD, so the caller's SIGCHLD handler
//! would see a helper that the caller itself started, or even reap it. Therefore the parent of the
//! helper is a subreaper (`CLONE_VM|CLONE_VFORK`, no exit signal, as in `child`). It waits for the
//! helper, and the calling thread sleeps until it has exited.

use crate::error::Syscall;
use crate::sys::errno::last_errno;
use crate::sys::spawn::job::{Answer, HelperJob};
use crate::sys::spawn::subreaper;
use crate::sys::thread::{block_all_but_fatal_signals, reap_clone_child};
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;
use std::ffi::{CString, c_char, c_void};
use std::time::Duration;

/// The program to run.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    /// The arguments, the program's path first.
    pub(crate) argv: &'a [CString],
    pub(crate) environment: &'a [CString],
    /// The cwd.
    pub(crate) dir: BorrowedFd<'a>,
    /// The stdin.
    pub(crate) input: BorrowedFd<'a>,
    /// The stdout and stderr.
    pub(crate) output: BorrowedFd<'a>,
    /// The time limit, at which it is killed with every process that it started.
    pub(crate) limit: Duration,
}

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It exited with this status.
    Exit(i32),
    /// This signal killed it.
    Signal(i32),
    /// We killed it at the time limit.
    TimedOut,
}

const STACK: usize = 64 * 1024;

/// Runs the program. The error is that of the call that failed before the program was executed.
///
/// The program runs in a new session. Its signals are as after posix_spawn(3): none is blocked, and
/// ignored ones are still ignored, except SIGCHLD and SIGPIPE, which have their default action. It
/// has the descriptors 0 to 2 only.
pub(crate) fn run(program: &Program<'_>) -> Result<Ended, (Syscall, Errno)> {
    let pointers = |strings: &[CString]| {
        let mut list: Vec<*const c_char> = strings.iter().map(|s| s.as_ptr()).collect();
        list.push(std::ptr::null());
        list
    };
    let (argv, environment) = (pointers(program.argv), pointers(program.environment));
    let (mut stack, mut helper_stack) = (vec![0u128; STACK / 16], vec![0u128; STACK / 16]);
    let mut job = HelperJob {
        argv: argv.as_ptr(),
        environment: environment.as_ptr(),
        dir: program.dir.as_raw_fd(),
        input: program.input.as_raw_fd(),
        output: program.output.as_raw_fd(),
        caller_pid: rustix::process::getpid().as_raw_nonzero().get(),
        limit_ms: i64::try_from(program.limit.as_millis()).unwrap_or(i64::MAX),
        helper_stack: top(&mut helper_stack),
        subreaper_pid: 0,
        answer: None,
    };
    // A signal that ends this process must do so while the thread sleeps: the subreaper then kills
    // the helper.
    let mask = block_all_but_fatal_signals().map_err(|e| (Syscall::Sigprocmask, e))?;
    // SAFETY: both stacks, the lists and the job outlive the subreaper: CLONE_VFORK keeps this
    // thread asleep until it has exited. `subreaper` makes only system calls. Exit signal 0: no
    // SIGCHLD.
    let pid = unsafe {
        let flags = libc::CLONE_VM | libc::CLONE_VFORK;
        libc::clone(subreaper::subreaper, top(&mut stack), flags, (&raw mut job).cast())
    };
    let clone_errno = (pid < 0).then(last_errno);
    let reaped = if pid > 0 { reap_clone_child(pid) } else { Ok(()) };
    drop(mask);
    if let Some(errno) = clone_errno {
        return Err((Syscall::Clone, errno));
    }
    reaped.map_err(|e| (Syscall::Waitpid, e))?;
    match job.answer {
        Some(Answer::Failed(call, errno)) => Err((call, Errno::from_raw_os_error(errno))),
        Some(Answer::TimedOut) => Ok(Ended::TimedOut),
        Some(Answer::Ended(status)) if libc::WIFSIGNALED(status) => Ok(Ended::Signal(libc::WTERMSIG(status))),
        Some(Answer::Ended(status)) => Ok(Ended::Exit(libc::WEXITSTATUS(status))),
        // Somebody killed the subreaper, and then the kernel killed the helper.
        None => Err((Syscall::Waitpid, Errno::SRCH)),
    }
}

fn top(stack: &mut [u128]) -> *mut c_void {
    // SAFETY: one past the end of the slice, where a stack that grows down starts.
    unsafe { stack.as_mut_ptr().add(stack.len()).cast() }
}
