// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The flags of mount(2), `MS_*` of `<linux/mount.h>`: always 64 bits, whatever the width of C's
//! `unsigned long` and of rustix's types.

use rustix::mount::MountFlags;
use std::ffi::c_ulong;

#[allow(clippy::unnecessary_cast, reason = "the type has 32 bits elsewhere")]
const fn wide(flag: c_ulong) -> u64 {
    flag as u64
}

pub(crate) const MS_RDONLY: u64 = wide(libc::MS_RDONLY);

pub(crate) const MS_NOSUID: u64 = wide(libc::MS_NOSUID);

pub(crate) const MS_NODEV: u64 = wide(libc::MS_NODEV);

pub(crate) const MS_NOEXEC: u64 = wide(libc::MS_NOEXEC);

pub(crate) const MS_SYNCHRONOUS: u64 = wide(libc::MS_SYNCHRONOUS);

pub(crate) const MS_REMOUNT: u64 = wide(libc::MS_REMOUNT);

pub(crate) const MS_MANDLOCK: u64 = wide(libc::MS_MANDLOCK);

pub(crate) const MS_DIRSYNC: u64 = wide(libc::MS_DIRSYNC);

pub(crate) const MS_NOSYMFOLLOW: u64 = wide(libc::MS_NOSYMFOLLOW);

pub(crate) const MS_NOATIME: u64 = wide(libc::MS_NOATIME);

pub(crate) const MS_NODIRATIME: u64 = wide(libc::MS_NODIRATIME);

pub(crate) const MS_BIND: u64 = wide(libc::MS_BIND);

pub(crate) const MS_REC: u64 = wide(libc::MS_REC);

pub(crate) const MS_UNBINDABLE: u64 = wide(libc::MS_UNBINDABLE);

pub(crate) const MS_PRIVATE: u64 = wide(libc::MS_PRIVATE);

pub(crate) const MS_SLAVE: u64 = wide(libc::MS_SLAVE);

pub(crate) const MS_SHARED: u64 = wide(libc::MS_SHARED);

pub(crate) const MS_STRICTATIME: u64 = wide(libc::MS_STRICTATIME);

pub(crate) const MS_LAZYTIME: u64 = wide(libc::MS_LAZYTIME);

/// Converts the flags to rustix's type, which is as wide as `unsigned long` on some architectures.
pub(crate) fn mount_flags(bits: u32) -> MountFlags {
    MountFlags::from_bits_retain(as_wide_as(bits))
}

fn as_wide_as<T: From<u32>>(bits: u32) -> T {
    bits.into()
}
