// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests the effects of a hostile host process on a mount: signal handlers, `waitpid(-1)` loops,
//! forks and closed descriptors.
#![allow(unsafe_code)]

use rustix::fd::BorrowedFd;
use std::mem::zeroed;
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Returns a descriptor that is not open.
pub(crate) fn closed_fd() -> BorrowedFd<'static> {
    const FAR: i32 = 1_000_000;
    // SAFETY: the descriptor is not open, which breaks the contract on purpose: it is only passed
    // to system calls, and no test opens a million files.
    unsafe { BorrowedFd::borrow_raw(FAR) }
}

static RECEIVED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_signal: libc::c_int) {
    RECEIVED.fetch_add(1, Ordering::SeqCst);
}

/// Returns the number of calls of the handler that [`handle`] installed.
pub(crate) fn received() -> usize {
    RECEIVED.load(Ordering::SeqCst)
}

/// Installs a handler that counts this signal.
pub(crate) fn handle(signal: libc::c_int) {
    // SAFETY: the structure is plain data; the handler does one atomic addition, which is
    // async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = zeroed();
        action.sa_sigaction = count as extern "C" fn(libc::c_int) as usize;
        action.sa_flags = libc::SA_RESTART;
        assert_eq!(libc::sigaction(signal, &action, null_mut()), 0);
    }
}

/// Blocks (`SIG_BLOCK`) or unblocks (`SIG_UNBLOCK`) a signal for the calling thread.
pub(crate) fn mask(how: libc::c_int, signal: libc::c_int) {
    // SAFETY: the set is plain data, filled before it is read.
    unsafe {
        let mut set: libc::sigset_t = zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, signal);
        assert_eq!(libc::pthread_sigmask(how, &set, null_mut()), 0);
    }
}

/// Sends a signal to this process, to whichever thread takes it.
pub(crate) fn raise(signal: libc::c_int) {
    // SAFETY: it takes two numbers.
    assert_eq!(unsafe { libc::kill(libc::getpid(), signal) }, 0);
}

/// For each signal: whether the calling thread blocks it, its handler, the handler's flags.
pub(crate) fn signals() -> Vec<(bool, usize, i32)> {
    // SAFETY: null means that nothing is to be changed; the kernel fills plain data of ours.
    unsafe {
        let mut set: libc::sigset_t = zeroed();
        assert_eq!(libc::pthread_sigmask(libc::SIG_BLOCK, null(), &mut set), 0);
        let one = |signal| {
            let mut action: libc::sigaction = zeroed();
            libc::sigaction(signal, null(), &mut action);
            (libc::sigismember(&set, signal) == 1, action.sa_sigaction, action.sa_flags)
        };
        (1..=64).map(one).collect()
    }
}

/// Forks; the child runs `body`, ends with its answer, and has so many seconds for it.
///
/// Returns the wait status: 0 for `true`, 256 for `false`, [`HUNG`] if the child did not end in
/// time.
pub(crate) fn in_fork(seconds: u64, body: impl FnOnce() -> bool) -> i32 {
    // SAFETY: the child of a multithreaded process may only use locks that no other thread held;
    // the bodies allocate, which glibc's fork permits, and use the code under test. The child
    // leaves by _exit, so no destructor runs twice.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let done = body();
        // SAFETY: as above.
        unsafe { libc::_exit(i32::from(!done)) }
    }
    assert!(pid > 0, "fork");
    let (start, mut status) = (Instant::now(), 0);
    // SAFETY: `status` is ours; process `pid` is our child, not reaped until the call says so.
    while unsafe { libc::waitpid(pid, &mut status, libc::WNOHANG) } == 0 {
        if start.elapsed() > Duration::from_secs(seconds) {
            // SAFETY: as above. No other signal ends the first process of a pid namespace.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    status
}

/// The status of a child that [`in_fork`] had to kill.
pub(crate) const HUNG: i32 = libc::SIGKILL;

/// Forks this process into a new pid namespace, as its process 1; [`in_fork`] otherwise.
pub(crate) fn in_fork_as_pid_1(seconds: u64, body: impl FnOnce() -> bool) -> i32 {
    in_new_pid_namespace();
    in_fork(seconds, || {
        assert_eq!(rustix::process::getpid().as_raw_pid(), 1);
        body()
    })
}

/// A thread that reaps whatever child there is, as the reaper of a service or an init does.
#[derive(Debug)]
pub(crate) struct Reaper {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<usize>,
}

impl Reaper {
    /// Starts `waitpid(-1, flags)` in a loop.
    pub(crate) fn start(flags: libc::c_int) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut reaped = 0;
            while !theirs.load(Ordering::SeqCst) {
                // SAFETY: a null status pointer is allowed.
                match unsafe { libc::waitpid(-1, null_mut(), flags) } {
                    pid if pid > 0 => reaped += 1,
                    _ => std::thread::yield_now(),
                }
            }
            reaped
        });
        Self { stop, thread }
    }

    /// Ends it; the number of children that it got.
    pub(crate) fn stop(self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

fn dispose(signal: libc::c_int, action: usize) {
    // SAFETY: no handler is set, only one of the two words for what the kernel does by itself.
    assert_ne!(unsafe { libc::signal(signal, action) }, libc::SIG_ERR);
}

/// Makes this process ignore the signal.
pub(crate) fn ignore(signal: libc::c_int) {
    dispose(signal, libc::SIG_IGN);
}

/// The default again.
pub(crate) fn ignore_no_more(signal: libc::c_int) {
    dispose(signal, libc::SIG_DFL);
}

/// The next child of this process will be the first of a new pid namespace.
pub(crate) fn in_new_pid_namespace() {
    // SAFETY: CLONE_NEWPID touches no descriptor, and says only where children are born.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWPID) }.unwrap();
}

/// Closes the descriptors 0 to 2.
pub(crate) fn close_standard() {
    for fd in 0..3 {
        // SAFETY: what writes to them in this forked child only fails.
        unsafe { libc::close(fd) };
    }
}
