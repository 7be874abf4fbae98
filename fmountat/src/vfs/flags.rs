// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Attributes and superblock flags as the `MS_*` bits of mount(2), `<linux/mount.h>`.

use crate::sys::ms;
use crate::vfs::attr::Attr;

const OF_ATTR: [(Attr, u64); 8] = [
    (Attr::RDONLY, ms::MS_RDONLY),
    (Attr::NOSUID, ms::MS_NOSUID),
    (Attr::NODEV, ms::MS_NODEV),
    (Attr::NOEXEC, ms::MS_NOEXEC),
    (Attr::NOATIME, ms::MS_NOATIME),
    (Attr::STRICTATIME, ms::MS_STRICTATIME),
    (Attr::NODIRATIME, ms::MS_NODIRATIME),
    (Attr::NOSYMFOLLOW, ms::MS_NOSYMFOLLOW),
];

/// Returns the bits of `attr`. Without an access-time option both mount(2) and fsmount(2) use
/// relatime.
pub(crate) fn ms_of_attr(attr: Attr) -> u64 {
    OF_ATTR.iter().filter(|(bit, _)| attr.contains(*bit)).fold(0, |all, (_, ms)| all | ms)
}

/// Returns the bit of the superblock flag that fsconfig(2) calls `name`, or 0. The opposites (`rw`,
/// `async`) have none.
pub(crate) fn ms_of_superblock(name: &str) -> u64 {
    match name {
        "ro" => ms::MS_RDONLY,
        "sync" => ms::MS_SYNCHRONOUS,
        "dirsync" => ms::MS_DIRSYNC,
        "mand" => ms::MS_MANDLOCK,
        "lazytime" => ms::MS_LAZYTIME,
        _ => 0,
    }
}
