// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The thread of `PrivateCwd::worker`, which has its own cwd and makes one call at a time.

use crate::error::{Error, Operation, Result, Syscall};
use crate::sys::child::CallStep;
use crate::sys::fork_mark::ForkMark;
use crate::sys::thread::{block_all_signals, fchdir_raw, gettid, shares_descriptors, unshare_fs};
use crate::vfs::mount_call::MountCall;
use rustix::fd::{AsRawFd, BorrowedFd, RawFd};
use rustix::io::Errno;
use rustix::process::Pid;
use rustix::thread::{CpuSet, futex, sched_getcpu, sched_setaffinity};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;

type Outcome = std::result::Result<(), (CallStep, Errno)>;

const IDLE: u32 = 0;

const POSTED: u32 = 1;

const DONE: u32 = 2;

const QUIT: u32 = 3;

/// How often the caller yields its CPU to the worker before it sleeps. A hand-over without a sleep
/// saves the interrupt that wakes an idle CPU.
const YIELDS: usize = 8;

#[derive(Debug)]
pub(crate) struct Worker {
    shared: Arc<Shared>,
    /// There is one slot: callers take turns.
    turn: Mutex<()>,
    thread: Option<JoinHandle<()>>,
    mark: ForkMark,
    tid: i32,
    /// The CPU that the thread is bound to.
    cpu: AtomicUsize,
}

#[derive(Debug, Default)]
struct Shared {
    state: AtomicU32,
    call: Mutex<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    call: Option<(RawFd, MountCall)>,
    outcome: Option<Outcome>,
}

impl Worker {
    pub(crate) fn start() -> Result<Self> {
        let mark = ForkMark::new().map_err(|e| Error::sys(Operation::MarkProcess, Syscall::Madvise, e))?;
        let shared = Arc::new(Shared::default());
        let shared_with_thread = Arc::clone(&shared);
        let (ready, started) = mpsc::channel();
        // The thread inherits this signal mask. With all signals blocked, no handler of the process
        // runs on it.
        let mask =
            block_all_signals().map_err(|e| Error::sys(Operation::BlockSignals, Syscall::Sigprocmask, e))?;
        let thread = std::thread::Builder::new().name(String::from("fmountat")).stack_size(64 * 1024).spawn(
            move || {
                let unshared = unshare_fs();
                let usable = unshared.is_ok();
                if ready.send(unshared.map(|()| gettid())).is_ok() && usable {
                    shared_with_thread.serve();
                }
            },
        );
        drop(mask);
        let thread = thread.map_err(|e| {
            let errno = Errno::from_io_error(&e).unwrap_or(Errno::AGAIN);
            Error::sys(Operation::StartMountThread, Syscall::Clone, errno)
        })?;
        match started.recv() {
            Ok(Ok(tid)) => Ok(Self {
                shared,
                turn: Mutex::new(()),
                thread: Some(thread),
                mark,
                tid,
                cpu: AtomicUsize::new(usize::MAX),
            }),
            Ok(Err(errno)) => {
                let _ = thread.join();
                Err(Error::sys(Operation::UnshareMountThread, Syscall::Unshare, errno))
            }
            Err(_) => Err(Error::sys(Operation::StartMountThread, Syscall::Clone, Errno::AGAIN)),
        }
    }

    /// Reports whether it can serve the calling thread. It can't in a child of `fork`, where the
    /// worker thread does not exist, nor for a thread with its own descriptor table, whose numbers
    /// mean other files here.
    pub(crate) fn serves_this_thread(&self) -> bool {
        self.is_ours() && shares_descriptors(self.tid)
    }

    /// Binds the thread to the caller's CPU. The caller is about to sleep, and waking another CPU
    /// costs more than a small mount. If binding fails, only that time is lost.
    fn bind_to_callers_cpu(&self) {
        let here = sched_getcpu();
        if self.cpu.swap(here, Ordering::Relaxed) == here {
            return;
        }
        let mut only = CpuSet::new();
        if here < CpuSet::MAX_CPU {
            only.set(here);
            let _ = sched_setaffinity(Pid::from_raw(self.tid), &only);
        }
    }

    fn is_ours(&self) -> bool {
        self.mark.is_ours()
    }

    pub(crate) fn run(&self, dir: BorrowedFd<'_>, call: &MountCall) -> Outcome {
        let _turn = lock(&self.turn);
        self.bind_to_callers_cpu();
        *lock(&self.shared.call) = Slot { call: Some((dir.as_raw_fd(), call.clone())), outcome: None };
        self.shared.set(POSTED);
        self.shared.await_done();
        let outcome = lock(&self.shared.call).outcome.take();
        self.shared.state.store(IDLE, Ordering::Release);
        outcome.unwrap_or(Err((CallStep::Clone, Errno::SRCH)))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.is_ours() {
            return;
        }
        self.shared.set(QUIT);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn set(&self, state: u32) {
        self.state.store(state, Ordering::Release);
        let _ = futex::wake(&self.state, futex::Flags::PRIVATE, 1);
    }

    fn await_done(&self) {
        for _ in 0..YIELDS {
            if self.state.load(Ordering::Acquire) == DONE {
                return;
            }
            rustix::thread::sched_yield();
        }
        while self.state.load(Ordering::Acquire) != DONE {
            let _ = futex::wait(&self.state, futex::Flags::PRIVATE, POSTED, None);
        }
    }

    fn serve(&self) {
        loop {
            match self.state.load(Ordering::Acquire) {
                QUIT => return,
                POSTED => {
                    let mut slot = lock(&self.call);
                    slot.outcome = slot.call.take().map(|(dir, call)| mount_from(dir, &call));
                    drop(slot);
                    self.set(DONE);
                }
                other => {
                    let _ = futex::wait(&self.state, futex::Flags::PRIVATE, other, None);
                }
            }
        }
    }
}

fn mount_from(dir: RawFd, call: &MountCall) -> Outcome {
    fchdir_raw(dir).map_err(|e| (CallStep::Fchdir, e))?;
    let flags = crate::sys::ms::mount_flags(call.flags.bits());
    let done = rustix::mount::mount(&*call.source, &*call.target, &*call.fstype, flags, call.data.as_deref());
    // A cwd in `dir` would keep its file system busy. If chdir(2) fails the mount is still made.
    let _ = rustix::process::chdir("/");
    done.map_err(|e| (CallStep::Mount, e))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
