// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two processes of a helper: the minder, which is its parent, and itself until execve(2).
//!
//! They share the caller's memory, whose thread sleeps meanwhile: system calls only, no allocation, no lock, no panic.

use crate::error::Syscall;
use crate::sys::procfs;
use crate::sys::spawn::job::{Answer, Job};
use rustix::fs::OFlags;
use std::ffi::{c_int, c_void};
use std::mem::zeroed;

/// How long killed processes may take to be gone: one that hangs in the kernel is left to it.
const GRACE_MS: i64 = 1000;

type Step<T> = Result<T, Syscall>;

/// Starts the helper, waits for it, and kills it at the limit or when the caller is gone.
pub(crate) extern "C" fn minder(job: *mut c_void) -> c_int {
    // SAFETY: the job lives, and the caller sleeps, until we have exited. The `errno` that we share with the sleeping
    // caller is saved in the job.
    unsafe {
        let job = job.cast::<Job>();
        let answer = mind(job);
        (*job).answer = Some(answer.unwrap_or_else(|call| Answer::Failed(call, errno())));
    }
    0
}

/// # Safety
/// To be called by `minder` alone, as all below.
unsafe fn mind(job: *mut Job) -> Step<Answer> {
    // SAFETY: as in `minder`. The signal table, the descriptors and the cwd are copies of the caller's.
    unsafe {
        // What ends the caller, and is sent to its process group, must leave somebody to end the helper.
        set_mask(libc::sigfillset)?;
        // Ignored, it would have the kernel reap the helper, and its status with it.
        set_default(libc::SIGCHLD);
        // What the helper leaves without a parent comes to us: at the limit it goes too.
        done(libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1), Syscall::Prctl)?;
        done(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGRTMAX()), Syscall::Prctl)?;
        settle(&*job)?;
        (*job).minder_pid = libc::getpid();
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        let pid = done(libc::clone(helper, (*job).helper_stack, flags, job.cast()), Syscall::Clone)?;
        let failed = (*job).answer;
        if failed.is_none() && !ends_in_time(pid, &*job) {
            end_all(pid);
            return Ok(Answer::TimedOut);
        }
        let mut status = 0;
        while libc::waitpid(pid, &raw mut status, 0) < 0 {
            if errno() != libc::EINTR {
                return Err(Syscall::Waitpid);
            }
        }
        Ok(failed.unwrap_or(Answer::Ended(status)))
    }
}

/// The cwd and the descriptors 0 to 2 as the helper is to have them, and no other: one that the caller closes meanwhile must be
/// closed.
unsafe fn settle(job: &Job) -> Step<()> {
    const FIRST: c_int = 3;
    // SAFETY: numbers only.
    unsafe {
        done(libc::fchdir(job.dir), Syscall::Fchdir)?;
        // Out of the way of one another first.
        let high = |fd| done(libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, FIRST), Syscall::Fcntl);
        let (input, output) = (high(job.input)?, high(job.output)?);
        done(libc::dup2(input, 0), Syscall::Dup2)?;
        done(libc::dup2(output, 1), Syscall::Dup2)?;
        done(libc::dup2(output, 2), Syscall::Dup2)?;
        if libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, 0) != 0 {
            // Behind a filter.
            let last = libc::sysconf(libc::_SC_OPEN_MAX).clamp(0, 1 << 20);
            for fd in FIRST..c_int::try_from(last).unwrap_or(1 << 20) {
                libc::close(fd);
            }
        }
    }
    Ok(())
}

/// Waits for the helper without reaping it; not for longer than the caller lives. The signals that tell are blocked, and so
/// wait for us.
unsafe fn ends_in_time(pid: libc::pid_t, job: &Job) -> bool {
    // SAFETY: numbers, and structures on our own stack.
    unsafe {
        let end = now_ms().saturating_add(job.limit_ms);
        let mut signals: libc::sigset_t = zeroed();
        libc::sigemptyset(&raw mut signals);
        libc::sigaddset(&raw mut signals, libc::SIGCHLD);
        libc::sigaddset(&raw mut signals, libc::SIGRTMAX());
        loop {
            if is_ours(pid, libc::WEXITED) != Some(false) {
                return true;
            }
            let left = end.saturating_sub(now_ms());
            // Gone before we asked for the signal. Its number is 0 where the caller is in another pid namespace.
            if left <= 0 || ![job.caller_pid, 0].contains(&libc::getppid()) {
                return false;
            }
            let mut timeout: libc::timespec = zeroed();
            // `as` takes the type of the target's C library; a wait is never that long.
            timeout.tv_sec = (left / 1000) as _;
            timeout.tv_nsec = (left % 1000 * 1_000_000) as _;
            if libc::sigtimedwait(&raw const signals, std::ptr::null_mut(), &raw const timeout)
                == libc::SIGRTMAX()
            {
                return false;
            }
        }
    }
}

/// Kills the helper, its group, and round by round what comes to us when its parent dies.
unsafe fn end_all(pid: libc::pid_t) {
    // SAFETY: numbers only. The helper was not reaped: neither its number nor its group's can be another's.
    unsafe {
        libc::kill(-pid, libc::SIGKILL);
        libc::kill(pid, libc::SIGKILL);
        let end = now_ms().saturating_add(GRACE_MS);
        while now_ms() < end {
            kill_children();
            let mut reaped = 1;
            while reaped > 0 {
                reaped = libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG | libc::__WALL);
            }
            if reaped < 0 {
                return;
            }
            libc::poll(std::ptr::null_mut(), 0, 1);
        }
    }
}

/// All children that /proc names; those that another pid namespace's /proc names wrongly are not ours, and stay.
unsafe fn kill_children() {
    // SAFETY: the buffer is ours and as long as we say; a child of ours keeps its number until we reap it.
    unsafe {
        let mut text = [0u8; 1024];
        let children = procfs::open(c"thread-self/children", OFlags::RDONLY);
        let length = children.and_then(|file| rustix::io::read(file, &mut text)).unwrap_or(0);
        let mut number: libc::pid_t = 0;
        for byte in text.iter().take(length) {
            if byte.is_ascii_digit() {
                number = number.wrapping_mul(10).wrapping_add(libc::pid_t::from(byte - b'0'));
                continue;
            }
            if number > 0 && is_ours(number, libc::WEXITED | libc::__WALL).is_some() {
                libc::kill(number, libc::SIGKILL);
            }
            number = 0;
        }
    }
}

/// Whether our child has ended; `None` for a process that is no child of ours.
unsafe fn is_ours(pid: libc::pid_t, kinds: c_int) -> Option<bool> {
    // SAFETY: the structure is plain data of ours.
    unsafe {
        let mut info: libc::siginfo_t = zeroed();
        let flags = kinds | libc::WNOHANG | libc::WNOWAIT;
        (libc::waitid(libc::P_PID, pid.unsigned_abs(), &raw mut info, flags) == 0).then(|| info.si_pid() != 0)
    }
}

/// Becomes the program.
extern "C" fn helper(job: *mut c_void) -> c_int {
    // SAFETY: as in `minder`, which sleeps until we have become the program or exited. Our signal table is our own: a
    // handler in it would run on the caller's memory once signals are no longer blocked.
    unsafe {
        let job = job.cast::<Job>();
        let ready = ready((*job).minder_pid);
        if ready.is_ok() {
            libc::execve(*(*job).argv, (*job).argv, (*job).environment);
        }
        (*job).answer = Some(Answer::Failed(ready.err().unwrap_or(Syscall::Execve), errno()));
        libc::_exit(127)
    }
}

unsafe fn ready(minder: libc::pid_t) -> Step<()> {
    const LAST_SIGNAL: c_int = 64;
    // SAFETY: numbers, and structures on our own stack.
    unsafe {
        done(libc::setsid(), Syscall::Setsid)?;
        done(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL), Syscall::Prctl)?;
        // Killed before we asked.
        if libc::getppid() != minder {
            return Err(Syscall::Getppid);
        }
        for signal in 1..=LAST_SIGNAL {
            let mut action: libc::sigaction = zeroed();
            // A Rust program ignores SIGPIPE from its start, which is not what the user wants of others.
            let expected = [libc::SIGCHLD, libc::SIGPIPE].contains(&signal);
            let known = libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0;
            if known && (expected || action.sa_sigaction != libc::SIG_IGN) {
                set_default(signal);
            }
        }
        set_mask(libc::sigemptyset)
    }
}

unsafe fn set_mask(fill: unsafe extern "C" fn(*mut libc::sigset_t) -> c_int) -> Step<()> {
    // SAFETY: the set is plain data of ours.
    unsafe {
        let mut set: libc::sigset_t = zeroed();
        fill(&raw mut set);
        match libc::pthread_sigmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut()) {
            0 => Ok(()),
            _ => Err(Syscall::Sigprocmask),
        }
    }
}

unsafe fn set_default(signal: c_int) {
    // SAFETY: the structure is plain data; no handler is set. SIGKILL and SIGSTOP refuse, and are as they are.
    unsafe {
        let mut action: libc::sigaction = zeroed();
        action.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signal, &raw const action, std::ptr::null_mut());
    }
}

/// Milliseconds of a clock that nobody sets.
unsafe fn now_ms() -> i64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    #[allow(clippy::useless_conversion)]
    let (seconds, nanoseconds) = (i64::from(now.tv_sec), i64::from(now.tv_nsec));
    seconds * 1000 + nanoseconds / 1_000_000
}

fn done(value: c_int, call: Syscall) -> Step<c_int> {
    if value < 0 { Err(call) } else { Ok(value) }
}

unsafe fn errno() -> c_int {
    // SAFETY: the address is always valid.
    unsafe { *libc::__errno_location() }
}
