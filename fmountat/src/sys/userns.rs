// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A process parked in a new user namespace, for as long as it takes to write its maps and to open the namespace.
//!
//! It shares memory and descriptors with the caller, so nothing is copied whatever the size of the process. Unlike
//! what `vfork` makes, it runs beside the calling thread: it must not touch what is local to a thread, which the two share. So
//! it makes calls that can't fail (`errno`), and none that is a cancellation point of libc (which marks the thread), for rustix
//! may have been built to call libc.

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

/// A parked process; dropping it ends and reaps it.
#[derive(Debug)]
pub(crate) struct Parked {
    pid: Pid,
    pidfd: OwnedFd,
    /// What it runs on, and who its parent is.
    _stack: Vec<u128>,
    _parent: Box<Pid>,
}

extern "C" fn park(parent: *mut c_void) -> c_int {
    // SAFETY: `Parked` keeps the number alive until this process has been reaped.
    let parent = unsafe { *parent.cast::<Pid>() };
    // Should the caller be killed, so are we; it may have been before we asked for that.
    let asked = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let never_woken = AtomicU32::new(0);
    while asked.is_ok() && rustix::process::getppid() == Some(parent) {
        let _ = futex::wait(&never_woken, futex::Flags::PRIVATE, 0, None);
    }
    0
}

impl Parked {
    /// `clone(CLONE_NEWUSER|CLONE_VM|CLONE_FILES|CLONE_PIDFD)` without an exit signal.
    pub(crate) fn new() -> Result<Self, Errno> {
        if would_be_first() {
            return Err(WOULD_BE_FIRST);
        }
        let mut stack = vec![0u128; STACK / 16];
        let parent = Box::new(rustix::process::getpid());
        let flags = libc::CLONE_NEWUSER | libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_PIDFD;
        let mut pidfd: c_int = -1;
        let mask = block_all_signals()?;
        // SAFETY: the stack is ours and 16-byte aligned, and lives in `Parked` until the process is reaped, as does the
        // argument. `park` touches nothing that is local to the thread, as is said above. All its signals are blocked, so no
        // handler runs in it.
        let pid = unsafe {
            let top = stack.as_mut_ptr().add(stack.len());
            let argument: *const Pid = &raw const *parent;
            libc::clone(park, top.cast(), flags, argument.cast_mut().cast(), &raw mut pidfd)
        };
        let errno = (pid < 0).then(last_errno);
        drop(mask);
        if let Some(errno) = errno {
            return Err(errno);
        }
        let pid = Pid::from_raw(pid).ok_or(Errno::SRCH)?;
        // SAFETY: the kernel has just given us this descriptor, which is close-on-exec.
        let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
        Ok(Self { pid, pidfd, _stack: stack, _parent: parent })
    }

    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        // By number where a filter forbids the new call: it is our own unreaped child, so the number is still its.
        if rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL).is_err() {
            let _ = rustix::process::kill_process(self.pid, Signal::KILL);
        }
        if reap_clone_child(self.pid.as_raw_nonzero().get()).is_err() {
            // Still running on it: better lost than freed.
            std::mem::forget(std::mem::take(&mut self._stack));
        }
    }
}

/// `ioctl(pidfd, PIDFD_GET_USER_NAMESPACE)` \[Linux 6.11\].
pub(crate) fn user_namespace_of(pidfd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    /// `_IO(0xFF, 9)` of `<linux/pidfd.h>`.
    const PIDFD_GET_USER_NAMESPACE: libc::Ioctl = 0xFF09;
    // SAFETY: the request takes no argument.
    let fd = unsafe { libc::ioctl(pidfd.as_raw_fd(), PIDFD_GET_USER_NAMESPACE, 0) };
    crate::sys::errno::result(libc::c_long::from(fd))?;
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The size of a page, which the text of a map must be less than. The auxiliary vector has it too, which rustix takes from /proc before Linux 6.4, and panics without.
pub(crate) fn page_size() -> usize {
    // SAFETY: it takes a number and changes nothing.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}
