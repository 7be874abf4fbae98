// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The system calls that rustix lacks, and the two tricks that need raw ones. **The only unsafe code.**
//!
//! Nothing here knows of mounts as a user sees them: arguments are descriptors, C strings and numbers, answers are
//! descriptors and `Errno`.
#![allow(unsafe_code)]

pub(crate) mod attr;
pub(crate) mod block;
pub(crate) mod child;
pub(crate) mod fanotify;
pub(crate) mod first;
pub(crate) mod fork_mark;
pub(crate) mod gather;
pub(crate) mod inside;
pub(crate) mod listmount;
pub(crate) mod loopctl;
pub(crate) mod ms;
pub(crate) mod namespace;
pub(crate) mod nsfs;
mod outlive;
pub(crate) mod spawn;
pub(crate) mod statmount;
pub(crate) mod survive;
pub(crate) mod swap;
pub(crate) mod swap_gap;
mod take_away;
pub(crate) mod thread;
pub(crate) mod uname;
pub(crate) mod userns;
mod vfork;

use rustix::io::Errno;

/// The result of a raw `syscall(2)`: -1 means that `errno` has the reason.
fn result(value: libc::c_long) -> Result<libc::c_long, Errno> {
    if value == -1 { Err(last_errno()) } else { Ok(value) }
}

/// The calling thread's `errno`, exactly as the kernel gave it.
fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
