// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Properties of block devices: `<linux/fs.h>`.

use crate::sys::errno::result;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;

/// Reports whether the device is read-only.
pub(crate) fn is_write_protected(device: BorrowedFd<'_>) -> Result<bool, Errno> {
    const BLKROGET: libc::Ioctl = rustix::ioctl::opcode::none(0x12, 94) as libc::Ioctl;
    let mut answer: libc::c_int = 0;
    // SAFETY: the request writes one `int`, to `answer`.
    result(libc::c_long::from(unsafe { libc::ioctl(device.as_raw_fd(), BLKROGET, &raw mut answer) }))?;
    Ok(answer != 0)
}
