// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Probes features: by calls that must fail, or by the kernel's release where no call shows the
//! feature.

use crate::sys::attr::{MountAttrRaw, mount_setattr, open_tree_attr};
use crate::sys::namespace::{OPEN_TREE_NAMESPACE, may_unshare};
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
    /// Probes the kernel without changing anything. Each call is made with a bad descriptor.
    /// `ENOSYS` means that the call is missing; so does `EPERM`, which a seccomp filter returns
    /// where the kernel would return `EBADF`. Features that no call shows follow from the release
    /// that uname(2) returns. Where a filter is in force a forked child makes the calls, because
    /// the filter may kill the caller; such a call counts as missing too.
    #[must_use]
    pub fn probe() -> Self {
        let (release, proc) = (kernel_release(), procfs::check());
        let [new_mount_api, openat2, mount_setattr, open_tree_attr, namespace_of_tree, private_namespace] =
            ask([
                has_new_mount_api,
                has_openat2,
                || is_present(mount_setattr(bad_fd(), c"", 0, &MountAttrRaw::default())),
                || is_present(open_tree_attr(bad_fd(), c"", 0, &MountAttrRaw::default()).map(drop)),
                has_namespace_of_tree,
                may_unshare,
            ]);
        let of_release = Self::default().with_all().up_to(release.0, release.1);
        Self {
            new_mount_api,
            openat2,
            // Without a filter, EPERM is the kernel's own answer to a caller without privilege.
            mount_setattr: mount_setattr || (of_release.mount_setattr && !is_filtered()),
            detached_children: open_tree_attr || of_release.detached_children,
            overlay_detached_layers: open_tree_attr || of_release.overlay_detached_layers,
            open_tree_attr,
            namespace_of_tree,
            private_namespace: private_namespace && is_mount("/") && proc.is_ok(),
            initial_user_namespace: is_initial_user_namespace(proc),
            ..of_release
        }
    }

    /// Returns the result of [`probe`](Self::probe), which runs once per process.
    #[must_use]
    pub fn get() -> Self {
        static PROBED: OnceLock<Features> = OnceLock::new();
        *PROBED.get_or_init(Self::probe)
    }
}

/// Returns `AT_FDCWD`, the one [`BorrowedFd`] that is no open file. With an empty path and without
/// `AT_EMPTY_PATH` every call below fails with `ENOENT`.
fn bad_fd() -> BorrowedFd<'static> {
    CWD
}

fn is_present(answer: Result<(), Errno>) -> bool {
    !matches!(answer, Err(Errno::NOSYS | Errno::PERM))
}

fn has_new_mount_api() -> bool {
    use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags};
    let opened = rustix::mount::open_tree(bad_fd(), c"", OpenTreeFlags::empty()).map(drop);
    let configured = rustix::mount::fsconfig_set_flag(bad_fd(), c"");
    // These fail with EPERM for a caller without privilege before they look at their arguments, as
    // under a filter. The other calls decide then.
    let for_admins = [
        rustix::mount::move_mount(bad_fd(), c"", bad_fd(), c"", MoveMountFlags::empty()),
        rustix::mount::fsopen(c"", FsOpenFlags::empty()).map(drop),
        rustix::mount::fsmount(bad_fd(), FsMountFlags::empty(), MountAttrFlags::empty()).map(drop),
    ];
    let is_conclusive = is_filtered() && is_admin();
    let has_call = |answer| if is_conclusive { is_present(answer) } else { answer != Err(Errno::NOSYS) };
    is_present(opened) && is_present(configured) && for_admins.into_iter().all(has_call)
}

/// An older kernel fails with `EINVAL` for the unknown flag before it looks at the path.
fn has_namespace_of_tree() -> bool {
    let opened = rustix::mount::open_tree(bad_fd(), c"", OPEN_TREE_NAMESPACE).map(drop);
    !matches!(opened, Err(Errno::NOSYS | Errno::INVAL)) && (opened != Err(Errno::PERM) || !is_filtered())
}

fn has_openat2() -> bool {
    let none = ResolveFlags::empty();
    is_present(rustix::fs::openat2(bad_fd(), c"", OFlags::PATH, Mode::empty(), none).map(drop))
}

/// Reports whether the root of a mount is at `path`. Returns true where statx(2) lacks the
/// attribute \[before Linux 5.8\].
fn is_mount(path: &str) -> bool {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let is_root = StatxAttributes::MOUNT_ROOT;
    let Ok(fd) = rustix::fs::openat(CWD, path, flags, Mode::empty()) else { return true };
    let stat = rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, StatxFlags::TYPE);
    stat.map_or(true, |stat| {
        !stat.stx_attributes_mask.contains(is_root) || stat.stx_attributes.contains(is_root)
    })
}

/// Compares the namespace's inode with the fixed one of the initial user namespace
/// (`PROC_USER_INIT_INO`, include/linux/proc_ns.h). Where neither /proc nor a pidfd \[Linux 6.11\]
/// gives the inode, the effective user id decides.
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

/// Returns the kernel's release, or (0, 0) where neither uname(2) nor /proc gives it: every feature
/// that follows from the release then counts as missing.
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
