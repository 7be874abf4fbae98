// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Classic flags: attributes and superblock flags as the `MS_*` bits of mount(2), `<linux/mount.h>`.

use super::attr::Attr;

pub(crate) const MS_REMOUNT: u64 = libc::MS_REMOUNT;
pub(crate) const MS_BIND: u64 = libc::MS_BIND;
pub(crate) const MS_REC: u64 = libc::MS_REC;

const OF_ATTR: [(Attr, u64); 8] = [
    (Attr::RDONLY, libc::MS_RDONLY),
    (Attr::NOSUID, libc::MS_NOSUID),
    (Attr::NODEV, libc::MS_NODEV),
    (Attr::NOEXEC, libc::MS_NOEXEC),
    (Attr::NOATIME, libc::MS_NOATIME),
    (Attr::STRICTATIME, libc::MS_STRICTATIME),
    (Attr::NODIRATIME, libc::MS_NODIRATIME),
    (Attr::NOSYMFOLLOW, libc::MS_NOSYMFOLLOW),
];

/// The bits for attributes. No access-time word at all is relatime to mount(2) as to fsmount(2).
pub(crate) fn ms_of_attr(attr: Attr) -> u64 {
    OF_ATTR.iter().filter(|(bit, _)| attr.contains(*bit)).fold(0, |all, (_, ms)| all | ms)
}

/// The bit for a superblock flag by fsconfig's name; the opposites have none.
pub(crate) fn ms_of_superblock(name: &str) -> u64 {
    match name {
        "ro" => libc::MS_RDONLY,
        "sync" => libc::MS_SYNCHRONOUS,
        "dirsync" => libc::MS_DIRSYNC,
        "mand" => libc::MS_MANDLOCK,
        "lazytime" => libc::MS_LAZYTIME,
        _ => 0,
    }
}

/// The bit that a word takes back: that of `ro` for `rw`.
pub(crate) fn opposite_of_superblock(name: &str) -> u64 {
    match name {
        "rw" => libc::MS_RDONLY,
        "async" => libc::MS_SYNCHRONOUS,
        "nomand" => libc::MS_MANDLOCK,
        "nolazytime" => libc::MS_LAZYTIME,
        _ => 0,
    }
}
