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
    let memory = Box::into_raw(Memory::new(program));
    // A signal that ends this process must do so while the thread sleeps: the subreaper then kills
    // the helper.
    let mask = block_all_but_fatal_signals().map_err(|e| (Syscall::Sigprocmask, e))?;
    // SAFETY: the memory outlives the subreaper: CLONE_VFORK keeps this thread asleep until it has
    // exited. `subreaper` makes only system calls. Exit signal 0: no SIGCHLD.
    let pid = unsafe {
        let flags = libc::CLONE_VM | libc::CLONE_VFORK;
        libc::clone(subreaper::subreaper, top(&mut (*memory).stack), flags, (&raw mut (*memory).job).cast())
    };
    let clone_errno = (pid < 0).then(last_errno);
    let reaped = if pid > 0 { reap_clone_child(pid) } else { Ok(()) };
    drop(mask);
    // SAFETY: the pointer is ours. If somebody killed the subreaper, the helper may still be on its
    // way to execve(2), on its stack in this memory: it is leaked.
    let answer = unsafe {
        let answer = (*memory).job.answer;
        if clone_errno.is_some() || (*memory).job.is_over {
            drop(Box::from_raw(memory));
        }
        answer
    };
    if let Some(errno) = clone_errno {
        return Err((Syscall::Clone, errno));
    }
    reaped.map_err(|e| (Syscall::Waitpid, e))?;
    match answer {
        Some(Answer::Failed(call, errno)) => Err((call, Errno::from_raw_os_error(errno))),
        Some(Answer::TimedOut) => Ok(Ended::TimedOut),
        Some(Answer::Ended(status)) if libc::WIFSIGNALED(status) => Ok(Ended::Signal(libc::WTERMSIG(status))),
        Some(Answer::Ended(status)) => Ok(Ended::Exit(libc::WEXITSTATUS(status))),
        // Somebody killed the subreaper. The kernel then killed the helper, unless it is a
        // set-user-ID program: execve(2) of one clears the death signal. Such a helper runs on.
        None => Err((Syscall::Waitpid, Errno::SRCH)),
    }
}

/// All that the processes share.
struct Memory {
    stack: Vec<u128>,
    /// The stack of the helper until execve(2).
    _helper_stack: Vec<u128>,
    /// The strings, and the lists of pointers to them.
    _strings: [Vec<CString>; 2],
    _lists: [Vec<*const c_char>; 2],
    job: HelperJob,
}

impl Memory {
    fn new(program: &Program<'_>) -> Box<Self> {
        let strings = [program.argv.to_vec(), program.environment.to_vec()];
        let lists = strings.each_ref().map(|strings| {
            let strings = strings.iter().map(|string| string.as_ptr());
            strings.chain([std::ptr::null()]).collect::<Vec<_>>()
        });
        let mut helper_stack = vec![0u128; STACK / 16];
        let job = HelperJob {
            argv: lists[0].as_ptr(),
            environment: lists[1].as_ptr(),
            dir: program.dir.as_raw_fd(),
            input: program.input.as_raw_fd(),
            output: program.output.as_raw_fd(),
            caller_pid: rustix::process::getpid().as_raw_nonzero().get(),
            limit_ms: i64::try_from(program.limit.as_millis()).unwrap_or(i64::MAX),
            helper_stack: top(&mut helper_stack),
            subreaper_pid: 0,
            answer: None,
            is_over: false,
        };
        let stack = vec![0u128; STACK / 16];
        Box::new(Self { stack, _helper_stack: helper_stack, _strings: strings, _lists: lists, job })
    }
}

fn top(stack: &mut [u128]) -> *mut c_void {
    // SAFETY: one past the end of the slice, where a stack that grows down starts.
    unsafe { stack.as_mut_ptr().add(stack.len()).cast() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsFd;
    use rustix::fs::{CWD, Mode, OFlags};
    use std::os::unix::thread::JoinHandleExt;

    unsafe extern "C" {
        fn pthread_setcancelstate(state: i32, old: *mut i32) -> i32;
    }

    /// Another thread cancels the one that waits for a helper. The subreaper shares its state, and
    /// must not act on the request.
    #[test]
    fn a_cancelled_caller_waits_for_its_helper() {
        let open = |path: &str| rustix::fs::openat(CWD, path, OFlags::RDWR, Mode::empty()).unwrap();
        let dir = rustix::fs::openat(CWD, "/", OFlags::PATH, Mode::empty()).unwrap();
        let null = open("/dev/null");
        let argv = [c"/bin/sh", c"-c", c"sleep 0.3; exit 7"].map(CString::from);
        let waits = std::thread::spawn(move || {
            let (input, output) = (null.as_fd(), null.as_fd());
            let limit = Duration::from_secs(20);
            let program = Program { argv: &argv, environment: &[], dir: dir.as_fd(), input, output, limit };
            let (ended, mut before) = (run(&program), 0);
            // SAFETY: the pointer is ours. The request remains pending: this thread is Rust's.
            unsafe { pthread_setcancelstate(1, &raw mut before) };
            ended
        });
        std::thread::sleep(Duration::from_millis(100));
        // SAFETY: the thread is not joined yet.
        assert_eq!(unsafe { libc::pthread_cancel(waits.as_pthread_t()) }, 0);
        let ended = waits.join().unwrap();
        assert_eq!(ended, Ok(Ended::Exit(7)));
    }
}
