// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Per-thread state: filesystem state, signal mask, descriptors.

use crate::sys::errno::last_errno;
use rustix::io::Errno;
use rustix::thread::UnshareFlags;

/// Gives the calling thread its own cwd, root and umask with `unshare(CLONE_FS)`.
pub(crate) fn unshare_fs() -> Result<(), Errno> {
    // SAFETY: CLONE_FS does not touch the descriptor table, which is what makes `unshare` unsafe in
    // rustix.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::FS) }
}

unsafe extern "C" {
    /// pthread_setcancelstate(3), which the `libc` crate lacks for Linux.
    fn pthread_setcancelstate(state: libc::c_int, old: *mut libc::c_int) -> libc::c_int;
}

/// `PTHREAD_CANCEL_DISABLE` of glibc and musl.
const PTHREAD_CANCEL_DISABLE: libc::c_int = 1;

/// A signal mask saved by [`block_all_signals`] or [`block_all_but_fatal_signals`]. Dropping it
/// restores the mask, and with it whether another thread can cancel this one.
///
/// pthread_cancel(3) is disabled meanwhile. A child that shares this thread's memory would act on
/// the request at its next cancellation point: it would unwind its stack and run the clean-up of
/// this thread.
#[derive(Debug)]
pub(crate) struct SavedSignalMask {
    mask: libc::sigset_t,
    cancel_state: libc::c_int,
}

/// Blocks every signal and cancellation for the calling thread until the returned value is dropped.
///
/// libc leaves its internal signals unblocked. A thread that calls setuid(2) signals all others and
/// waits for each, so it waits for a thread that sleeps until its `CLONE_VFORK` child has exited:
/// some system calls long, or for a mount helper until its time limit.
pub(crate) fn block_all_signals() -> Result<SavedSignalMask, Errno> {
    block(|_| true)
}

/// Blocks all signals, as [`block_all_signals`] does, except those that end the process: signals
/// that it neither handles, ignores nor blocks, and whose default action ends it. Such a signal can
/// then end the process during a sleep that nothing else interrupts.
pub(crate) fn block_all_but_fatal_signals() -> Result<SavedSignalMask, Errno> {
    block(|signal| !is_fatal(signal))
}

/// Blocks the signals for which `which` is true. Signals that are blocked already are not
/// unblocked.
fn block(which: impl Fn(libc::c_int) -> bool) -> Result<SavedSignalMask, Errno> {
    // SAFETY: both sets are plain data on our stack, filled by libc before they are read.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        let mut old: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut set);
        for signal in (1..=LAST_SIGNAL).filter(|signal| !which(*signal)) {
            libc::sigdelset(&mut set, signal);
        }
        match libc::pthread_sigmask(libc::SIG_BLOCK, &set, &mut old) {
            0 => Ok(SavedSignalMask { mask: old, cancel_state: disable_cancellation() }),
            errno => Err(Errno::from_raw_os_error(errno)),
        }
    }
}

/// Returns the state before.
fn disable_cancellation() -> libc::c_int {
    let mut before = 0;
    // SAFETY: the number is a state, and the pointer is ours. With these the call cannot fail.
    unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &raw mut before) };
    before
}

const LAST_SIGNAL: libc::c_int = 64;

fn is_fatal(signal: libc::c_int) -> bool {
    use libc::{SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH};
    const OTHERS: [libc::c_int; 8] = [SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH];
    // SAFETY: the structure is plain data; nothing is set.
    let is_default = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let known = libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0;
        known && action.sa_sigaction == libc::SIG_DFL
    };
    is_default && !OTHERS.contains(&signal)
}

impl Drop for SavedSignalMask {
    fn drop(&mut self) {
        let mut before = 0;
        // SAFETY: the set was filled by `pthread_sigmask` on this thread, and the state is that of
        // this thread before. Neither call acts on a pending cancellation.
        unsafe {
            pthread_setcancelstate(self.cancel_state, &raw mut before);
            libc::pthread_sigmask(libc::SIG_SETMASK, &self.mask, std::ptr::null_mut());
        }
    }
}

/// Waits for a `clone` child without an exit signal, and reaps it.
///
/// Treats `ECHILD` as success: another thread's `waitpid(-1, .., __WALL)` may have reaped the
/// child.
pub(crate) fn reap_clone_child(pid: libc::pid_t) -> Result<(), Errno> {
    loop {
        // SAFETY: a null status pointer is allowed.
        let got = unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::__WCLONE) };
        if got == pid {
            return Ok(());
        }
        match last_errno() {
            Errno::INTR => {}
            Errno::CHILD => return Ok(()),
            errno => return Err(errno),
        }
    }
}

/// Calls `fchdir(dir)` on a number that another thread keeps open meanwhile.
pub(crate) fn fchdir_raw(dir: rustix::fd::RawFd) -> Result<(), Errno> {
    // SAFETY: the argument is a number, which the kernel checks.
    crate::sys::errno::result(libc::c_long::from(unsafe { libc::fchdir(dir) }))?;
    Ok(())
}

/// Reports whether the thread `tid` of this process uses the same descriptor table as the calling
/// thread. Returns true where kcmp(2) is forbidden: only a thread that called
/// `unshare(CLONE_FILES)` differs.
pub(crate) fn shares_descriptors(tid: libc::pid_t) -> bool {
    const KCMP_FILES: libc::c_int = 2;
    // SAFETY: numbers only.
    let order = unsafe { libc::syscall(libc::SYS_kcmp, libc::gettid(), tid, KCMP_FILES, 0, 0) };
    order <= 0
}

/// Returns the id of the calling thread.
pub(crate) fn gettid() -> libc::pid_t {
    // SAFETY: always succeeds.
    unsafe { libc::gettid() }
}
