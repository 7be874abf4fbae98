// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The loopback interface of a new network namespace.

use crate::error::{Error, Operation, Result, Syscall};
use crate::sys::errno::result;
use rustix::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;

/// Sets the interface `lo` of this process's network namespace up: `ioctl(SIOCSIFFLAGS)`,
/// netdevice(7). The kernel then gives it its addresses.
///
/// # Errors
/// The errno of socket(2) or ioctl(2): [`ErrorKind::Permission`](crate::ErrorKind::Permission)
/// without CAP_NET_ADMIN.
pub fn set_loopback_up() -> Result<()> {
    // An ioctl(2) for interfaces works with a socket of any family.
    let socket =
        UnixDatagram::unbound().map_err(|e| Error::from_io(Operation::SetLoopbackUp, "socket", e))?;
    // SAFETY: `ifreq` is plain data, for which zeros are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: the request is initialized, ends with a NUL in its name and outlives the call.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) };
    let failed = |e| Error::sys(Operation::SetLoopbackUp, Syscall::IoctlSiocsifflags, e);
    result(libc::c_long::from(done)).map(drop).map_err(failed)
}
