// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a block device says of itself: `<linux/fs.h>`.

use crate::sys::errno::result;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;

/// Whether the device can't be written to.
pub(crate) fn is_write_protected(device: BorrowedFd<'_>) -> Result<bool, Errno> {
    const BLKROGET: libc::Ioctl = rustix::ioctl::opcode::none(0x12, 94) as libc::Ioctl;
    let mut answer: libc::c_int = 0;
    // SAFETY: the request writes one `int`, which lives.
    result(libc::c_long::from(unsafe { libc::ioctl(device.as_raw_fd(), BLKROGET, &raw mut answer) }))?;
    Ok(answer != 0)
}
