// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A program run to its end, or to a time limit, by a process that is no child of ours as far as signals and `wait` go.
//!
//! execve(2) gives every process back the exit signal SIGCHLD, so a helper started by the caller's own process would be
//! seen, or taken, by its SIGCHLD handler. An intermediary (`CLONE_VM|CLONE_VFORK`, no exit signal, as in `child`) is the
//! helper's parent instead: it waits for it, and the calling thread sleeps until it is done.

use super::last_errno;
use super::thread::{block_all_signals, reap_clone_child};
use rustix::fd::{AsRawFd, BorrowedFd, RawFd};
use rustix::io::Errno;
use std::ffi::{CString, c_char, c_int, c_void};
use std::time::Duration;

/// What is to be run.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    /// The arguments, the program's path first.
    pub(crate) argv: &'a [CString],
    pub(crate) environment: &'a [CString],
    /// Its cwd.
    pub(crate) dir: BorrowedFd<'a>,
    /// Its stdin; 3 or above, as the next.
    pub(crate) input: BorrowedFd<'a>,
    /// Its stdout and stderr.
    pub(crate) output: BorrowedFd<'a>,
    /// When it is killed, with all that it has started in its session.
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

/// Shared by the caller, the intermediary and the helper until it has become another program.
struct Job {
    argv: *const *const c_char,
    environment: *const *const c_char,
    dir: RawFd,
    input: RawFd,
    output: RawFd,
    limit_ms: i64,
    parent: libc::pid_t,
    helper_stack: *mut c_void,
    /// The call of the helper or the intermediary that failed, and its errno.
    failed: Option<(&'static str, c_int)>,
    status: c_int,
    timed_out: bool,
}

const STACK: usize = 64 * 1024;
const LAST_SIGNAL: c_int = 64;

/// Runs the program; an error is that of the call that failed before it was running.
pub(crate) fn run(program: &Program<'_>) -> Result<Ended, (&'static str, Errno)> {
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
        limit_ms: i64::try_from(program.limit.as_millis()).unwrap_or(i64::MAX),
        parent: rustix::process::getpid().as_raw_nonzero().get(),
        helper_stack: top(&mut helper_stack),
        failed: None,
        status: 0,
        timed_out: false,
    };
    let mask = block_all_signals().map_err(|e| ("sigprocmask", e))?;
    // SAFETY: both stacks, the lists and the job outlive the intermediary, since CLONE_VFORK keeps this thread asleep until
    // it has exited; `intermediary` makes only system calls. Exit signal 0: no SIGCHLD.
    let pid = unsafe {
        libc::clone(intermediary, top(&mut stack), libc::CLONE_VM | libc::CLONE_VFORK, (&raw mut job).cast())
    };
    let clone_errno = (pid < 0).then(last_errno);
    let reaped = if pid > 0 { reap_clone_child(pid) } else { Ok(()) };
    drop(mask);
    if let Some(errno) = clone_errno {
        return Err(("clone", errno));
    }
    reaped.map_err(|e| ("waitpid", e))?;
    match job {
        Job { failed: Some((call, errno)), .. } => Err((call, Errno::from_raw_os_error(errno))),
        Job { timed_out: true, .. } => Ok(Ended::TimedOut),
        Job { status, .. } if libc::WIFSIGNALED(status) => Ok(Ended::Signal(libc::WTERMSIG(status))),
        Job { status, .. } => Ok(Ended::Exit(libc::WEXITSTATUS(status))),
    }
}

fn top(stack: &mut [u128]) -> *mut c_void {
    // SAFETY: one past the end of the slice, where a stack that grows down begins.
    unsafe { stack.as_mut_ptr().add(stack.len()).cast() }
}

/// The helper's parent: starts it, waits for it, kills it at the limit.
extern "C" fn intermediary(job: *mut c_void) -> c_int {
    // SAFETY: the job lives, and the caller sleeps, until we have exited. Only system calls are made here and in
    // `helper`: no allocation, no lock. The `errno` they share with the sleeping caller is saved in the job.
    unsafe {
        let job = &mut *job.cast::<Job>();
        // Should the caller be killed, so are we, and then the helper; it may have been before we asked.
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        if libc::getppid() != job.parent {
            return 0;
        }
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        let pid = libc::clone(helper, job.helper_stack, flags, (&raw mut *job).cast());
        if pid < 0 {
            job.failed = Some(("clone", *libc::__errno_location()));
            return 0;
        }
        if job.failed.is_none() && !ends_in_time(pid, job.limit_ms) {
            // It is the leader of a session and group of its own: what it has started goes too.
            libc::kill(-pid, libc::SIGKILL);
            job.timed_out = true;
        }
        while libc::waitpid(pid, &raw mut job.status, 0) < 0 && *libc::__errno_location() == libc::EINTR {}
    }
    0
}

/// Waits for our child without reaping it.
///
/// # Safety
/// To be called by `intermediary` alone.
unsafe fn ends_in_time(pid: libc::pid_t, limit_ms: i64) -> bool {
    const PAUSE_MS: i64 = 2;
    // SAFETY: numbers, and structures on our own stack.
    unsafe {
        let pidfd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        if let (Ok(fd), true) = (c_int::try_from(pidfd), pidfd >= 0) {
            let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
            let limit = c_int::try_from(limit_ms).unwrap_or(c_int::MAX);
            return libc::poll(&raw mut poll, 1, limit) != 0;
        }
        // Before Linux 5.3, or behind a filter.
        let mut waited = 0;
        while waited < limit_ms {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
            let asked = libc::waitid(libc::P_PID, pid.unsigned_abs(), &raw mut info, flags);
            if asked < 0 || info.si_pid() == pid {
                return true;
            }
            libc::poll(std::ptr::null_mut(), 0, PAUSE_MS as c_int);
            waited += PAUSE_MS;
        }
    }
    false
}

/// Becomes the program. What posix_spawn(3) does to signals is done here: handlers are gone, ignored ones stay ignored,
/// none is blocked.
extern "C" fn helper(job: *mut c_void) -> c_int {
    // SAFETY: as in `intermediary`, which sleeps until we have become the program or exited.
    unsafe {
        let job = &mut *job.cast::<Job>();
        libc::setsid();
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        for signal in 1..=LAST_SIGNAL {
            let mut action: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0
                && action.sa_sigaction != libc::SIG_IGN
            {
                action.sa_sigaction = libc::SIG_DFL;
                libc::sigaction(signal, &raw const action, std::ptr::null_mut());
            }
        }
        let call = if libc::fchdir(job.dir) != 0 {
            "fchdir"
        } else if libc::dup2(job.input, 0) < 0
            || libc::dup2(job.output, 1) < 0
            || libc::dup2(job.output, 2) < 0
        {
            "dup2"
        } else {
            close_others();
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut none);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
            libc::execve(*job.argv, job.argv, job.environment);
            "execve"
        };
        job.failed = Some((call, *libc::__errno_location()));
        libc::_exit(127)
    }
}

/// No descriptor of the caller's gets into a daemon, whoever opened it: all from 3 on close at execve(2).
///
/// # Safety
/// To be called by `helper` alone, whose descriptor table is its own.
unsafe fn close_others() {
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    // SAFETY: numbers only.
    unsafe {
        if libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC) == 0 {
            return;
        }
        // Before Linux 5.11.
        let last = libc::sysconf(libc::_SC_OPEN_MAX).clamp(3, 65_536);
        for fd in 3..c_int::try_from(last).unwrap_or(65_536) {
            libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}
