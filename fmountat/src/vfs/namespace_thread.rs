// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A thread of ours that works in another mount namespace than the process.

use crate::error::{Error, Operation, Result, Syscall};
use crate::sys::thread::block_all_signals;
use crate::trace;
use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::process::{PidfdFlags, getpid, pidfd_open};
use rustix::thread::{
    CpuSet, ThreadNameSpaceType, move_into_thread_name_spaces, sched_getaffinity, sched_getcpu,
    sched_setaffinity,
};

const STEP: Operation = Operation::MakePrivateMountNamespace;

/// Runs `enter`, which moves the thread to its namespace, and `work` on a new thread with all
/// signals blocked, and waits for it. Descriptors are shared: one that `work` opens is the
/// caller's.
pub(crate) fn on_a_thread<T: Send>(
    enter: impl FnOnce() -> Result<()> + Send,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    let work = trace::in_this_span(work);
    std::thread::scope(|scope| {
        // The new thread inherits the mask: all signals are for the caller.
        let mask = block_all_signals().map_err(|e| Error::sys(STEP, Syscall::PthreadSigmask, e))?;
        let bound = BoundCpu::here();
        let thread = std::thread::Builder::new().name(String::from("fmountat")).spawn_scoped(scope, || {
            let done = enter().and_then(|()| work());
            leave();
            done
        });
        drop((bound, mask));
        let no_thread = |e: std::io::Error| {
            Error::sys(STEP, Syscall::Clone, Errno::from_io_error(&e).unwrap_or(Errno::AGAIN))
        };
        match thread.map_err(no_thread)?.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Binds the calling thread to its CPU until it is dropped. A thread that is created meanwhile is
/// bound to that CPU: it starts as soon as its creator waits for it, and no other CPU has to be
/// woken (10 us instead of 45, or milliseconds on a busy machine).
struct BoundCpu(Option<CpuSet>);

impl BoundCpu {
    fn here() -> Self {
        let (mut only, cpu) = (CpuSet::new(), sched_getcpu());
        if cpu >= CpuSet::MAX_CPU {
            return Self(None);
        }
        only.set(cpu);
        let before = sched_getaffinity(None).ok();
        Self(before.filter(|_| sched_setaffinity(None, &only).is_ok()))
    }
}

impl Drop for BoundCpu {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // It fails only if the CPUs of the process were changed meanwhile.
            let _ = sched_setaffinity(None, before);
        }
    }
}

/// Moves the thread back to the namespace of the process. A thread can be joined before the kernel
/// has released its namespace, and a namespace that ends with the thread would keep file systems
/// and devices busy until then.
fn leave() {
    // Where a filter forbids setns(2), the namespace is released a moment later.
    let _ = pidfd_open(getpid(), PidfdFlags::empty())
        .and_then(|process| move_into_thread_name_spaces(process.as_fd(), ThreadNameSpaceType::MOUNT));
}
