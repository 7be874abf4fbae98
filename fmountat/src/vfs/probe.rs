// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Features asked for: by calls that fail, and by the kernel's release where there is nothing to call.

use crate::sys::attr::{MountAttrRaw, mount_setattr, open_tree_attr};
use crate::sys::namespace::may_unshare;
use crate::sys::nsfs::own_user_namespace;
use crate::sys::procfs;
use crate::sys::seccomp_probe::{ask, is_filtered};
use crate::sys::uname::release;
use crate::vfs::features::Features;
use crate::vfs::privilege::is_admin;
use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;
use std::sync::OnceLock;

impl Features {
    /// Asks the kernel, without changing anything: each call is made with a bad descriptor, and `ENOSYS` (or `EPERM`,
    /// a seccomp filter's answer where the kernel itself would say `EBADF`) means that it isn't there. What can't be
    /// asked that way follows from the release that uname(2) gives. Where a filter is in force the calls are made by a forked
    /// child, since it may kill who makes one: that means missing too.
    #[must_use]
    pub fn probe() -> Self {
        let (release, proc) = (kernel_release(), procfs::check());
        let [new_mount_api, openat2, mount_setattr, open_tree_attr, private_namespace] = ask([
            has_new_mount_api,
            has_openat2,
            || there(mount_setattr(bad_fd(), c"", 0, &MountAttrRaw::default())),
            || there(open_tree_attr(bad_fd(), c"", 0, &MountAttrRaw::default()).map(drop)),
            may_unshare,
        ]);
        let of_release = Self::default().with_all().up_to(release.0, release.1);
        Self {
            new_mount_api,
            openat2,
            // Without a filter EPERM is the kernel's word to who may not mount.
            mount_setattr: mount_setattr || (of_release.mount_setattr && !is_filtered()),
            detached_children: open_tree_attr || of_release.detached_children,
            overlay_detached_layers: open_tree_attr || of_release.overlay_detached_layers,
            open_tree_attr,
            private_namespace: private_namespace && is_mount("/") && proc.is_ok(),
            initial_user_namespace: is_initial_user_namespace(proc),
            ..of_release
        }
    }

    /// The answers of [`probe`](Self::probe), asked once in the life of the process.
    #[must_use]
    pub fn get() -> Self {
        static PROBED: OnceLock<Features> = OnceLock::new();
        *PROBED.get_or_init(Self::probe)
    }
}

/// `AT_FDCWD` is the one descriptor that is no open file and still a [`BorrowedFd`]; with an empty path and without
/// `AT_EMPTY_PATH` every call below refuses it with `ENOENT`.
fn bad_fd() -> BorrowedFd<'static> {
    CWD
}

fn there(answer: Result<(), Errno>) -> bool {
    !matches!(answer, Err(Errno::NOSYS | Errno::PERM))
}

fn has_new_mount_api() -> bool {
    use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags};
    let opened = rustix::mount::open_tree(bad_fd(), c"", OpenTreeFlags::empty()).map(drop);
    let configured = rustix::mount::fsconfig_set_flag(bad_fd(), c"");
    // To who may not mount these say EPERM before they look at anything, as a filter would: the others decide then.
    let for_admins = [
        rustix::mount::move_mount(bad_fd(), c"", bad_fd(), c"", MoveMountFlags::empty()),
        rustix::mount::fsopen(c"", FsOpenFlags::empty()).map(drop),
        rustix::mount::fsmount(bad_fd(), FsMountFlags::empty(), MountAttrFlags::empty()).map(drop),
    ];
    let is_told = is_filtered() && is_admin();
    let is_there = |answer| if is_told { there(answer) } else { answer != Err(Errno::NOSYS) };
    there(opened) && there(configured) && for_admins.into_iter().all(is_there)
}

fn has_openat2() -> bool {
    let none = ResolveFlags::empty();
    there(rustix::fs::openat2(bad_fd(), c"", OFlags::PATH, Mode::empty(), none).map(drop))
}

/// Whether a mount's root is there; where nobody can tell \[before Linux 5.8\] it counts as one.
fn is_mount(path: &str) -> bool {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let is_root = StatxAttributes::MOUNT_ROOT;
    let Ok(fd) = rustix::fs::openat(CWD, path, flags, Mode::empty()) else { return true };
    let told = rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, StatxFlags::TYPE);
    told.map_or(true, |told| {
        !told.stx_attributes_mask.contains(is_root) || told.stx_attributes.contains(is_root)
    })
}

/// The first user namespace has an inode number of its own (`PROC_USER_INIT_INO`, include/linux/proc_ns.h); where neither
/// /proc nor a pidfd \[Linux 6.11\] tells, being root decides.
fn is_initial_user_namespace(proc: Result<(), Errno>) -> bool {
    const PROC_USER_INIT_INO: u64 = 0xEFFF_FFFD;
    match proc.and_then(|()| rustix::fs::stat(procfs::USER_NAMESPACE)) {
        Ok(stat) => stat.st_ino == PROC_USER_INIT_INO,
        Err(_) => match own_user_namespace().and_then(|namespace| rustix::fs::fstat(&namespace)) {
            Ok(stat) => stat.st_ino == PROC_USER_INIT_INO,
            Err(_) => rustix::process::geteuid().is_root(),
        },
    }
}

/// Where neither uname(2) nor /proc tells, every feature that follows from the release counts as missing.
pub(crate) fn kernel_release() -> (u32, u32) {
    let text = match release() {
        Ok(release) => release.to_string_lossy().into_owned(),
        Err(_) => std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default(),
    };
    parse_release(&text)
}

fn parse_release(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read_as_numbers() {
        assert_eq!(parse_release("6.18.44-fc"), (6, 18));
        assert_eq!(parse_release("6.1.0-13-amd64"), (6, 1));
        assert_eq!(parse_release("odd"), (0, 0));
        assert!(parse_release("6.9") < parse_release("6.13"));
    }
}
