// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A process that is parked in a new user namespace until its maps are written and the namespace is
//! opened.
//!
//! It shares memory and descriptors with the caller, so nothing is copied whatever the size of the
//! process. Unlike a `vfork` child it runs beside the calling thread and shares its thread-local
//! data, which it must not touch. So it makes only calls that can't fail (they would set `errno`)
//! and that are not cancellation points of libc (which mark the thread): rustix may be built to use
//! libc.

use crate::error::WOULD_BE_FIRST;
use crate::sys::errno::last_errno;
use crate::sys::pid_namespace::would_be_first;
use crate::sys::thread::{block_all_signals, reap_clone_child};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use rustix::thread::futex;
use std::ffi::{c_int, c_void};
use std::sync::atomic::AtomicU32;

const STACK: usize = 32 * 1024;

/// A parked process. Dropping it kills and reaps it.
#[derive(Debug)]
pub(crate) struct Parked {
    pid: Pid,
    pidfd: OwnedFd,
    /// `None` after it was leaked.
    memory: Option<Box<Memory>>,
}

/// What the process uses: it must not be freed before the process is reaped.
#[derive(Debug)]
struct Memory {
    stack: Vec<u128>,
    /// The process id of its parent.
    parent: Pid,
}

extern "C" fn park(parent: *mut c_void) -> c_int {
    // SAFETY: `Parked` keeps the number alive until this process is reaped.
    let parent = unsafe { *parent.cast::<Pid>() };
    // The kernel kills us if the caller dies. The caller may have died before prctl(2): hence the
    // check of the parent.
    let asked = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let never_woken = AtomicU32::new(0);
    while asked.is_ok() && rustix::process::getppid() == Some(parent) {
        let _ = futex::wait(&never_woken, futex::Flags::PRIVATE, 0, None);
    }
    0
}

impl Parked {
    /// Calls `clone(CLONE_NEWUSER|CLONE_VM|CLONE_FILES|CLONE_PIDFD)` without an exit signal.
    pub(crate) fn new() -> Result<Self, Errno> {
        if would_be_first() {
            return Err(WOULD_BE_FIRST);
        }
        let mut memory =
            Box::new(Memory { stack: vec![0u128; STACK / 16], parent: rustix::process::getpid() });
        let flags = libc::CLONE_NEWUSER | libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_PIDFD;
        let mut pidfd: c_int = -1;
        let mask = block_all_signals()?;
        // SAFETY: the stack is ours and 16-byte aligned. `Parked` keeps it and the argument until
        // the process is reaped. `park` touches no thread-local data, as explained above. All its
        // signals are blocked, so no handler runs in it.
        let pid = unsafe {
            let top = memory.stack.as_mut_ptr().add(memory.stack.len());
            libc::clone(park, top.cast(), flags, (&raw mut memory.parent).cast(), &raw mut pidfd)
        };
        let errno = (pid < 0).then(last_errno);
        drop(mask);
        if let Some(errno) = errno {
            return Err(errno);
        }
        let pid = Pid::from_raw(pid).ok_or(Errno::SRCH)?;
        // SAFETY: the kernel has just returned this descriptor, which is close-on-exec.
        let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
        Ok(Self { pid, pidfd, memory: Some(memory) })
    }

    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        // Use the process id where a filter forbids the call: an unreaped child keeps its id.
        if rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL).is_err() {
            let _ = rustix::process::kill_process(self.pid, Signal::KILL);
        }
        // waitpid(2) is a cancellation point.
        let mask = block_all_signals();
        if reap_clone_child(self.pid.as_raw_nonzero().get()).is_err() {
            // The process may still run on this stack and read the parent's id: leak both.
            std::mem::forget(self.memory.take());
        }
        drop(mask);
    }
}

/// Calls `ioctl(pidfd, PIDFD_GET_USER_NAMESPACE)` \[Linux 6.11\].
pub(crate) fn user_namespace_of(pidfd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    /// `_IO(0xFF, 9)` of `<linux/pidfd.h>`.
    const PIDFD_GET_USER_NAMESPACE: libc::Ioctl = 0xFF09;
    // SAFETY: the request takes no argument.
    let fd = unsafe { libc::ioctl(pidfd.as_raw_fd(), PIDFD_GET_USER_NAMESPACE, 0) };
    crate::sys::errno::result(libc::c_long::from(fd))?;
    // SAFETY: the kernel has just returned this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Returns the size of a page; the text of a map must be shorter. rustix would read it from the
/// auxiliary vector: before Linux 6.4 that needs /proc, and without /proc rustix panics.
pub(crate) fn page_size() -> usize {
    // SAFETY: the argument is a number, and the call changes nothing.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}
