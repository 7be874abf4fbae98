// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mount namespaces: ours, and others that are held by their files alone. The processor's time.
#![allow(unsafe_code)]

use crate::Outcome;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::thread::UnshareFlags;
use std::time::Duration;

/// Gives the calling thread a mount namespace of its own, as a copy of the one it is in.
fn unshare() -> Result<(), rustix::io::Errno> {
    // SAFETY: NEWNS does not unshare the descriptor table, the reason why rustix marks `unshare`
    // unsafe.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }
}

/// Runs `body` on a thread in a new private mount namespace, which ends with the thread.
pub(crate) fn in_own_namespace<T: Send>(body: impl FnOnce() -> Outcome<T> + Send) -> Outcome<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let unshared =
                unshare().map_err(|e| format!("needs root, for a mount namespace of its own: {e}"));
            unshared.map_err(|e| e.to_string())?;
            let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            mount_change("/", private).map_err(|e| e.to_string())?;
            body().map_err(|e| e.to_string())
        });
        let done = thread.join().map_err(|_| String::from("a thread panicked"))?;
        done.map_err(Into::into)
    })
}

/// Returns a copy of the calling thread's mount namespace that nobody is in.
pub(crate) fn copy_of_namespace() -> Outcome<OwnedFd> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare()?;
            rustix::fs::open("/proc/thread-self/ns/mnt", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        });
        let made = thread.join().map_err(|_| "a thread panicked")?;
        Ok(made?)
    })
}

/// Returns the user and system time of the calling thread and of the ended children. Unlike elapsed
/// time, it does not grow with the load of other processes.
pub(crate) fn time_used() -> Duration {
    let thread = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(thread).unwrap_or_default() + of_children()
}

fn of_children() -> Duration {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the structure is plain data, ours, and of the size that the call fills.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr());
        usage.assume_init()
    };
    let one = |time: libc::timeval| {
        Duration::new(
            u64::try_from(time.tv_sec).unwrap_or(0),
            u32::try_from(time.tv_usec * 1000).unwrap_or(0),
        )
    };
    one(usage.ru_utime) + one(usage.ru_stime)
}
