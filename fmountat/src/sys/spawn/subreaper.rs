// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two processes of a helper: the subreaper, which is its parent, and the helper itself until
//! execve(2).
//!
//! They share the memory of the caller, whose thread sleeps meanwhile: only system calls, no
//! allocation, no lock, no panic.

use crate::error::Syscall;
use crate::sys::procfs;
use crate::sys::spawn::job::{Answer, HelperJob};
use rustix::fs::OFlags;
use std::ffi::{c_int, c_void};
use std::mem::zeroed;

/// How long killed processes may take to exit. One that hangs in the kernel is left alone.
const GRACE_MS: i64 = 1000;

type CallResult<T> = Result<T, Syscall>;

/// Starts the helper, waits for it, and kills it at the time limit or when the caller dies.
pub(crate) extern "C" fn subreaper(job: *mut c_void) -> c_int {
    // SAFETY: the job exists, and the caller sleeps, until we have exited. The `errno` that we
    // share with the sleeping caller is saved in the job.
    unsafe {
        let job = job.cast::<HelperJob>();
        let answer = supervise(job);
        (*job).answer = Some(answer.unwrap_or_else(|call| Answer::Failed(call, errno())));
        (*job).is_over = true;
    }
    0
}

/// # Safety
/// Only `subreaper` may call it, as all functions below.
unsafe fn supervise(job: *mut HelperJob) -> CallResult<Answer> {
    // SAFETY: as in `subreaper`. The signal table, the descriptors and the cwd are copies of the
    // caller's.
    unsafe {
        // Block all signals: one to the caller's process group that ends the caller must not end
        // us, because we have to end the helper. Until here, only signals were unblocked whose
        // default action ends the caller too (`block_all_but_fatal_signals`). One that came first
        // has ended us, without a helper; no handler has run on the shared memory. Cancellation is
        // disabled in the caller's thread, whose state we share.
        set_mask(libc::sigfillset)?;
        // If the caller ignores SIGCHLD, the kernel would reap the helper and discard its status.
        set_default(libc::SIGCHLD);
        // We adopt the orphans of the helper, to kill them too at the time limit.
        done(libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1), Syscall::Prctl)?;
        done(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGRTMAX()), Syscall::Prctl)?;
        set_cwd_and_descriptors(&*job)?;
        (*job).subreaper_pid = libc::getpid();
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

/// Sets the cwd and the descriptors 0 to 2 for the helper, and closes all others: a file that the
/// caller closes meanwhile must not be held open here.
unsafe fn set_cwd_and_descriptors(job: &HelperJob) -> CallResult<()> {
    const FIRST: c_int = 3;
    // SAFETY: numbers only.
    unsafe {
        done(libc::fchdir(job.dir), Syscall::Fchdir)?;
        // Duplicate above 2 first, so that dup2(2) does not overwrite one of them.
        let high = |fd| done(libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, FIRST), Syscall::Fcntl);
        let (input, output) = (high(job.input)?, high(job.output)?);
        done(libc::dup2(input, 0), Syscall::Dup2)?;
        done(libc::dup2(output, 1), Syscall::Dup2)?;
        done(libc::dup2(output, 2), Syscall::Dup2)?;
        if libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, 0) != 0 {
            // A filter forbids close_range(2).
            let last = libc::sysconf(libc::_SC_OPEN_MAX).clamp(0, 1 << 20);
            for fd in FIRST..c_int::try_from(last).unwrap_or(1 << 20) {
                libc::close(fd);
            }
        }
    }
    Ok(())
}

/// Waits for the helper to exit without reaping it, until the time limit or the death of the
/// caller. Both signals are blocked, so sigtimedwait(2) receives them.
unsafe fn ends_in_time(pid: libc::pid_t, job: &HelperJob) -> bool {
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
            // The caller died before our prctl(2). getppid(2) returns 0 if it is in another pid
            // namespace.
            if left <= 0 || ![job.caller_pid, 0].contains(&libc::getppid()) {
                return false;
            }
            let mut timeout: libc::timespec = zeroed();
            // `as` converts to the type of the target's C library; no wait is too long for it.
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

/// Kills the helper, its process group, and repeatedly all orphans that we adopt.
unsafe fn end_all(pid: libc::pid_t) {
    // SAFETY: numbers only. The helper is not reaped yet, so no other process or group can have its
    // number.
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

/// Kills all children that /proc lists. The /proc of another pid namespace lists wrong numbers: a
/// process that is not our child is spared.
unsafe fn kill_children() {
    // SAFETY: the buffer is ours and has the stated size. A child keeps its number until we reap
    // it.
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

/// Reports whether our child has exited; `None` for a process that is not our child.
unsafe fn is_ours(pid: libc::pid_t, kinds: c_int) -> Option<bool> {
    // SAFETY: the structure is plain data of ours.
    unsafe {
        let mut info: libc::siginfo_t = zeroed();
        let flags = kinds | libc::WNOHANG | libc::WNOWAIT;
        (libc::waitid(libc::P_PID, pid.unsigned_abs(), &raw mut info, flags) == 0).then(|| info.si_pid() != 0)
    }
}

/// Executes the program.
extern "C" fn helper(job: *mut c_void) -> c_int {
    // SAFETY: as in `subreaper`, which sleeps until we have executed the program or exited. Our
    // signal table is our own: with signals unblocked, a handler in it would run on the caller's
    // memory.
    unsafe {
        let job = job.cast::<HelperJob>();
        let ready = ready((*job).subreaper_pid);
        if ready.is_ok() {
            libc::execve(*(*job).argv, (*job).argv, (*job).environment);
        }
        (*job).answer = Some(Answer::Failed(ready.err().unwrap_or(Syscall::Execve), errno()));
        libc::_exit(127)
    }
}

unsafe fn ready(subreaper_pid: libc::pid_t) -> CallResult<()> {
    const LAST_SIGNAL: c_int = 64;
    // SAFETY: numbers, and structures on our own stack.
    unsafe {
        done(libc::setsid(), Syscall::Setsid)?;
        done(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL), Syscall::Prctl)?;
        // The subreaper died before our prctl(2).
        if libc::getppid() != subreaper_pid {
            return Err(Syscall::Getppid);
        }
        for signal in 1..=LAST_SIGNAL {
            let mut action: libc::sigaction = zeroed();
            // Every Rust program ignores SIGPIPE from its start, which other programs do not
            // expect.
            let expected = [libc::SIGCHLD, libc::SIGPIPE].contains(&signal);
            let known = libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0;
            if known && (expected || action.sa_sigaction != libc::SIG_IGN) {
                set_default(signal);
            }
        }
        set_mask(libc::sigemptyset)
    }
}

unsafe fn set_mask(fill: unsafe extern "C" fn(*mut libc::sigset_t) -> c_int) -> CallResult<()> {
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
    // SAFETY: the structure is plain data; no handler is set. For SIGKILL and SIGSTOP the call
    // fails, and they keep their default.
    unsafe {
        let mut action: libc::sigaction = zeroed();
        action.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signal, &raw const action, std::ptr::null_mut());
    }
}

/// Returns the milliseconds of a clock that nobody can set.
unsafe fn now_ms() -> i64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    #[allow(clippy::useless_conversion)]
    let (seconds, nanoseconds) = (i64::from(now.tv_sec), i64::from(now.tv_nsec));
    seconds * 1000 + nanoseconds / 1_000_000
}

fn done(value: c_int, call: Syscall) -> CallResult<c_int> {
    if value < 0 { Err(call) } else { Ok(value) }
}

unsafe fn errno() -> c_int {
    // SAFETY: the address is always valid.
    unsafe { *libc::__errno_location() }
}
