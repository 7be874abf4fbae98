// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The result of a raw system call.

use rustix::io::Errno;

/// The result of a raw `syscall(2)`: -1 means that `errno` has the reason.
pub(crate) fn result(value: libc::c_long) -> Result<libc::c_long, Errno> {
    if value == -1 { Err(last_errno()) } else { Ok(value) }
}

/// The calling thread's `errno`, exactly as the kernel gave it.
pub(crate) fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
