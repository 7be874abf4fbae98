// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The descriptors that a new program inherits: close_range(2).

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use rustix::io::Errno;
use std::os::fd::RawFd;

/// The operation that error messages name.
const STEP: Operation = Operation::Program("close inherited descriptors");

/// Makes all descriptors from `first` on close-on-exec, except those in `keep`, so that programs
/// that this process starts do not inherit them: `close_range(CLOSE_RANGE_CLOEXEC)` \[Linux 5.11\].
///
/// A program can leave its new root through a directory descriptor of the host (CVE-2024-21626).
/// Call this function before you start the program. Other threads must not open descriptors
/// without `O_CLOEXEC`.
///
/// ```
/// fmountat::call::close_on_exec_from(3, &[])?;
/// # Ok::<(), fmountat::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::NotFound`] with `EBADF` for a descriptor in `keep` that is not open.
pub fn close_on_exec_from(first: RawFd, keep: &[RawFd]) -> Result<()> {
    let mut keep: Vec<RawFd> = keep.iter().copied().filter(|fd| *fd >= first).collect();
    keep.sort_unstable();
    if let Some(fd) = keep.iter().find(|fd| !is_open(**fd)) {
        return Err(Error::sys(STEP, Syscall::Fcntl, Errno::BADF)
            .with_kind(ErrorKind::NotFound)
            .with_argument(fd.to_string())
            .with_reason("no descriptor with this number is open"));
    }
    let mut from = first;
    for fd in keep {
        if from < fd {
            set_cloexec_range(from, fd - 1)?;
        }
        from = fd.saturating_add(1);
    }
    set_cloexec_range(from, RawFd::MAX)
}

fn is_open(fd: RawFd) -> bool {
    // SAFETY: the call reads a flag of the descriptor, if there is one.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
}

fn set_cloexec_range(first: RawFd, last: RawFd) -> Result<()> {
    let (from, to) = (first.max(0).unsigned_abs(), last.max(0).unsigned_abs());
    // SAFETY: the call closes nothing: it sets a flag of descriptors.
    let done = unsafe { libc::syscall(libc::SYS_close_range, from, to, libc::CLOSE_RANGE_CLOEXEC) };
    match crate::sys::errno::result(done) {
        // A filter forbids close_range(2), or the kernel is older than 5.11.
        Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => {
            set_cloexec_each(first, last);
            Ok(())
        }
        done => done.map(drop).map_err(|errno| Error::sys(STEP, Syscall::CloseRange, errno)),
    }
}

/// Sets close-on-exec on the descriptors one by one, up to the limit of this process. If the limit
/// is below 65,536, continues to 65,535: the limit may have been lowered after a descriptor was
/// opened.
fn set_cloexec_each(first: RawFd, last: RawFd) {
    // SAFETY: the calls read a limit and set a flag of each descriptor that exists.
    unsafe {
        let limit = libc::sysconf(libc::_SC_OPEN_MAX).clamp(1 << 16, 1 << 20);
        let end = RawFd::try_from(limit).unwrap_or(1 << 20).min(last.saturating_add(1));
        for fd in first..end {
            let flags = libc::fcntl(fd, libc::F_GETFD);
            if flags >= 0 {
                libc::fcntl(fd, libc::F_SETFD, flags | libc::FD_CLOEXEC);
            }
        }
    }
}
