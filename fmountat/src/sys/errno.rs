// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The result of a raw system call.

use rustix::io::Errno;

/// Converts the return value of `syscall(2)`: -1 means that `errno` has the reason.
pub(crate) fn result(value: libc::c_long) -> Result<libc::c_long, Errno> {
    if value == -1 { Err(last_errno()) } else { Ok(value) }
}

/// Returns the calling thread's `errno` unchanged.
pub(crate) fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
