// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Seccomp profiles as lists of names, and the filter that refuses what a list does not have.

use fmountat_testing::filter;

/// The calls of this library that a profile may refuse; three have no name in libc.
const CALLS: [(&str, libc::c_long); 20] = [
    ("fsopen", libc::SYS_fsopen),
    ("fsconfig", libc::SYS_fsconfig),
    ("fsmount", libc::SYS_fsmount),
    ("fspick", libc::SYS_fspick),
    ("open_tree", libc::SYS_open_tree),
    ("open_tree_attr", 467),
    ("move_mount", libc::SYS_move_mount),
    ("mount_setattr", libc::SYS_mount_setattr),
    ("mount", libc::SYS_mount),
    ("umount2", libc::SYS_umount2),
    ("unshare", libc::SYS_unshare),
    ("setns", libc::SYS_setns),
    ("openat2", libc::SYS_openat2),
    ("statx", libc::SYS_statx),
    ("statmount", 457),
    ("listmount", 458),
    ("dup3", libc::SYS_dup3),
    ("fchdir", libc::SYS_fchdir),
    ("pidfd_open", libc::SYS_pidfd_open),
    ("fstatfs", libc::SYS_fstatfs),
];

/// Puts the calling thread under the profile, with or without `CAP_SYS_ADMIN` in its container.
pub(crate) fn enter(list: &str, is_admin: bool) {
    let mut allowed: Vec<&str> = Vec::new();
    let mut errno = libc::EPERM;
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("default") => {
                errno = if words.next() == Some("ENOSYS") { libc::ENOSYS } else { libc::EPERM }
            }
            Some("allow") => allowed.extend(words),
            Some("admin") if is_admin => allowed.extend(words),
            _ => {}
        }
    }
    let refused = CALLS.iter().filter(|(name, _)| !allowed.contains(name)).map(|(_, number)| *number);
    filter::errno_on(&refused.collect::<Vec<_>>(), errno.unsigned_abs());
}
