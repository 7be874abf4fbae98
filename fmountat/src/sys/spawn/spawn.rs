// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A program run to its end, or to a time limit, by a process that is no child of ours as far as signals and `wait` go.
//!
//! execve(2) gives every process back the exit signal SIGCHLD, so a helper started by the caller's own process would be
//! seen, or taken, by its SIGCHLD handler. A minder (`CLONE_VM|CLONE_VFORK`, no exit signal, as in `child`) is the
//! helper's parent instead: it waits for it, and the calling thread sleeps until it is done.

use crate::error::Syscall;
use crate::sys::errno::last_errno;
use crate::sys::spawn::job::{Answer, Job};
use crate::sys::spawn::subreaper;
use crate::sys::thread::{block_all_but_fatal_signals, reap_clone_child};
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;
use std::ffi::{CString, c_char, c_void};
use std::time::Duration;

/// What is to be run.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    /// The arguments, the program's path first.
    pub(crate) argv: &'a [CString],
    pub(crate) environment: &'a [CString],
    /// Its cwd.
    pub(crate) dir: BorrowedFd<'a>,
    /// Its stdin.
    pub(crate) input: BorrowedFd<'a>,
    /// Its stdout and stderr.
    pub(crate) output: BorrowedFd<'a>,
    /// When it is killed, with all that it has started.
    pub(crate) limit: Duration,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With this exit status.
    Exit(i32),
    /// By this signal.
    Signal(i32),
    /// By us, at the time limit.
    TimedOut,
}

const STACK: usize = 64 * 1024;

/// Runs the program; an error is that of the call that failed before it was running.
///
/// Its session is its own; of signals it has what posix_spawn(3) gives, none blocked and the ignored ones ignored, save
/// SIGCHLD and SIGPIPE, which are as every program expects them. It has the descriptors 0 to 2 and no other.
pub(crate) fn run(program: &Program<'_>) -> Result<Ended, (Syscall, Errno)> {
    let pointers = |strings: &[CString]| {
        let mut list: Vec<*const c_char> = strings.iter().map(|s| s.as_ptr()).collect();
        list.push(std::ptr::null());
        list
    };
    let (argv, environment) = (pointers(program.argv), pointers(program.environment));
    let (mut stack, mut helper_stack) = (vec![0u128; STACK / 16], vec![0u128; STACK / 16]);
    let mut job = Job {
        argv: argv.as_ptr(),
        environment: environment.as_ptr(),
        dir: program.dir.as_raw_fd(),
        input: program.input.as_raw_fd(),
        output: program.output.as_raw_fd(),
        caller_pid: rustix::process::getpid().as_raw_nonzero().get(),
        limit_ms: i64::try_from(program.limit.as_millis()).unwrap_or(i64::MAX),
        helper_stack: top(&mut helper_stack),
        minder_pid: 0,
        answer: None,
    };
    // A signal that ends this process must do so while the thread sleeps: the minder then ends the helper.
    let mask = block_all_but_fatal_signals().map_err(|e| (Syscall::Sigprocmask, e))?;
    // SAFETY: both stacks, the lists and the job outlive the minder, since CLONE_VFORK keeps this thread asleep until it
    // has exited; `minder` makes only system calls. Exit signal 0: no SIGCHLD.
    let pid = unsafe {
        let flags = libc::CLONE_VM | libc::CLONE_VFORK;
        libc::clone(subreaper::minder, top(&mut stack), flags, (&raw mut job).cast())
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
        // Somebody killed the minder, and the kernel the helper with it.
        None => Err((Syscall::Waitpid, Errno::SRCH)),
    }
}

fn top(stack: &mut [u128]) -> *mut c_void {
    // SAFETY: one past the end of the slice, where a stack that grows down begins.
    unsafe { stack.as_mut_ptr().add(stack.len()).cast() }
}
