// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A thread of ours that works in another mount namespace than the process.

use crate::error::{Error, Operation, Result, Syscall};
use crate::sys::thread::block_all_signals;
use crate::trace;
use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::process::{PidfdFlags, getpid, pidfd_open};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};

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
        let thread = std::thread::Builder::new().name(String::from("fmountat")).spawn_scoped(scope, || {
            let done = enter().and_then(|()| work());
            leave();
            done
        });
        drop(mask);
        let no_thread = |e: std::io::Error| {
            Error::sys(STEP, Syscall::Clone, Errno::from_io_error(&e).unwrap_or(Errno::AGAIN))
        };
        match thread.map_err(no_thread)?.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Moves the thread back to the namespace of the process. A thread can be joined before the kernel
/// has released its namespace, and a namespace that ends with the thread would keep file systems
/// and devices busy until then.
fn leave() {
    // Where a filter forbids setns(2), the namespace is released a moment later.
    let _ = pidfd_open(getpid(), PidfdFlags::empty())
        .and_then(|process| move_into_thread_name_spaces(process.as_fd(), ThreadNameSpaceType::MOUNT));
}
