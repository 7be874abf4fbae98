// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The ioctls of loop devices: loop(4), `<linux/loop.h>`.

use crate::sys::errno::result;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;

pub(crate) const LO_FLAGS_READ_ONLY: u32 = 1;

pub(crate) const LO_FLAGS_AUTOCLEAR: u32 = 4;

pub(crate) const LO_FLAGS_DIRECT_IO: u32 = 16;

/// The size of a name field, with the NUL byte.
pub(crate) const LO_NAME_SIZE: usize = 64;

const LOOP_CLR_FD: libc::Ioctl = 0x4C01;

const LOOP_GET_STATUS64: libc::Ioctl = 0x4C05;

const LOOP_CONFIGURE: libc::Ioctl = 0x4C0A;

const LOOP_CTL_GET_FREE: libc::Ioctl = 0x4C82;

/// `struct loop_info64`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoopInfo {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) rdevice: u64,
    pub(crate) offset: u64,
    pub(crate) size_limit: u64,
    pub(crate) number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    pub(crate) flags: u32,
    pub(crate) file_name: [u8; LO_NAME_SIZE],
    crypt_name: [u8; LO_NAME_SIZE],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

impl Default for LoopInfo {
    fn default() -> Self {
        Self {
            device: 0,
            inode: 0,
            rdevice: 0,
            offset: 0,
            size_limit: 0,
            number: 0,
            encrypt_type: 0,
            encrypt_key_size: 0,
            flags: 0,
            file_name: [0; LO_NAME_SIZE],
            crypt_name: [0; LO_NAME_SIZE],
            encrypt_key: [0; 32],
            init: [0; 2],
        }
    }
}

/// `struct loop_config`.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

const _: () = assert!(size_of::<LoopInfo>() == 232 && size_of::<LoopConfig>() == 304);

/// Returns the number of an unused loop device, and creates one if there is none. It is not
/// reserved.
pub(crate) fn get_free(control: BorrowedFd<'_>) -> Result<u32, Errno> {
    // SAFETY: the request takes no argument.
    let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) };
    let number = result(libc::c_long::from(number))?;
    u32::try_from(number).map_err(|_| Errno::RANGE)
}

/// Sets up the device in one call \[Linux 5.8\]. With a block size of 0 the kernel chooses it.
pub(crate) fn configure(
    device: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    block_size: u32,
    info: &LoopInfo,
) -> Result<(), Errno> {
    let fd = file.as_raw_fd().unsigned_abs();
    let config = LoopConfig { fd, block_size, info: *info, reserved: [0; 8] };
    // SAFETY: `config` is a live structure of the size of the request; the kernel only reads it.
    let done = unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, &raw const config) };
    result(libc::c_long::from(done)).map(drop)
}

/// Detaches the backing file, once nobody else has the device open.
pub(crate) fn clear_fd(device: BorrowedFd<'_>) -> Result<(), Errno> {
    number_request(device, LOOP_CLR_FD, 0)
}

fn number_request(device: BorrowedFd<'_>, request: libc::Ioctl, number: libc::c_ulong) -> Result<(), Errno> {
    // SAFETY: these requests take a number.
    result(libc::c_long::from(unsafe { libc::ioctl(device.as_raw_fd(), request, number) })).map(drop)
}

/// Returns the status of the device.
pub(crate) fn get_status(device: BorrowedFd<'_>) -> Result<LoopInfo, Errno> {
    let mut info = LoopInfo::default();
    // SAFETY: `info` is a live structure of the size of the request; any bytes are valid for it.
    let done = unsafe { libc::ioctl(device.as_raw_fd(), LOOP_GET_STATUS64, &raw mut info) };
    result(libc::c_long::from(done)).map(|_| info)
}
