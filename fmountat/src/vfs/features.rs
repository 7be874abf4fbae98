// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What this kernel and this sandbox let us do: probed once, held as a value that tests can set.

use crate::strategy::{Need, Ways};
use crate::sys::attr::{MountAttrRaw, mount_setattr, open_tree_attr};
use crate::sys::namespace::may_unshare;
use crate::sys::nsfs::own_user_namespace;
use crate::sys::seccomp_probe::{ask, is_filtered};
use crate::sys::uname::release;
use crate::vfs::privilege::is_admin;
use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;
use std::sync::OnceLock;

/// The kernel features that a plan depends on.
///
/// ```
/// let mut features = fmountat::Features::probe();
/// features.overlay_layer_fds = false; // as on a kernel before 6.13
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Features {
    /// fsopen, fsconfig, fsmount, open_tree and move_mount \[Linux 5.2\]: missing only where a seccomp filter forbids one.
    pub new_mount_api: bool,
    /// openat2 \[Linux 5.6\]: missing only where a seccomp filter forbids it.
    pub openat2: bool,
    /// mount_setattr \[Linux 5.12\]: missing only where a seccomp filter forbids it.
    pub mount_setattr: bool,
    /// A tree can be mounted beneath what is mounted (`MOVE_MOUNT_BENEATH`) \[Linux 6.5\].
    pub move_beneath: bool,
    /// Overlay takes id-mapped layers \[Linux 5.19\].
    pub overlay_mapped_layers: bool,
    /// An overlay leaves its uuid on its upper directory \[Linux 6.6\].
    pub overlay_leaves_uuid: bool,
    /// A tmpfs has user attributes, in which an overlay of a user namespace keeps its marks \[Linux 6.6\].
    pub tmpfs_user_attributes: bool,
    /// Overlay takes its layers one by one (`lowerdir+`) \[Linux 6.7\].
    pub overlay_layer_words: bool,
    /// Overlay takes its layers as descriptors \[Linux 6.13\].
    pub overlay_layer_fds: bool,
    /// A detached mount can be mounted into a detached tree \[Linux 6.15\].
    pub detached_children: bool,
    /// An overlay's layers can lie in a detached tree \[Linux 6.15\].
    pub overlay_detached_layers: bool,
    /// open_tree_attr \[Linux 6.15\]; sandboxes often forbid it.
    pub open_tree_attr: bool,
    /// A mount namespace for a moment can be made: unshare(2) is not forbidden, /proc is there, and the root directory is
    /// the root of a mount, so that all can be made private (in a chroot it may be none).
    pub private_namespace: bool,
    /// We are in the machine's first user namespace: privilege here is real.
    pub initial_user_namespace: bool,
}

impl Features {
    /// The best way of those that need no more than this.
    pub(crate) fn first<W: Ways>(&self) -> Option<W> {
        let can = |needs: &[Need]| needs.iter().all(|need| self.has(*need));
        W::ALL.iter().find(|(_, _, needs)| can(needs)).map(|(way, ..)| *way)
    }

    fn has(&self, need: Need) -> bool {
        match need {
            Need::NewMountApi => self.new_mount_api,
            Need::MountSetattr => self.mount_setattr,
            Need::MoveBeneath => self.move_beneath,
            Need::MappedLayers => self.overlay_mapped_layers,
            Need::LeavesUuid => self.overlay_leaves_uuid,
            Need::LayerWords => self.overlay_layer_words,
            Need::LayerFds => self.overlay_layer_fds,
            Need::DetachedChildren => self.detached_children,
            Need::DetachedLayers => self.overlay_detached_layers,
            Need::PrivateNamespace => self.private_namespace,
        }
    }

    /// The calls of the mount interface of Linux 5.2 to 5.12 that a seccomp filter forbids here, if it does.
    pub(crate) fn forbidden_calls(&self, resolves_targets: bool) -> Option<&'static str> {
        match self {
            Self { new_mount_api: false, .. } => {
                Some("fsopen(2), fsconfig(2), fsmount(2), open_tree(2) or move_mount(2)")
            }
            Self { mount_setattr: false, .. } => Some("mount_setattr(2)"),
            Self { openat2: false, .. } if resolves_targets => Some("openat2(2)"),
            _ => None,
        }
    }

    /// Asks the kernel, without changing anything: each call is made with a bad descriptor, and `ENOSYS` (or `EPERM`,
    /// a seccomp filter's answer where the kernel itself would say `EBADF`) means that it isn't there. What can't be
    /// asked that way follows from the release that uname(2) gives. Where a filter is in force the calls are made by a forked
    /// child, since it may kill who makes one: that means missing too.
    #[must_use]
    pub fn probe() -> Self {
        let release = kernel_release();
        let [new_mount_api, openat2, mount_setattr, open_tree_attr, private_namespace] = ask([
            has_new_mount_api,
            has_openat2,
            || there(mount_setattr(bad_fd(), c"", 0, &MountAttrRaw::default())),
            || there(open_tree_attr(bad_fd(), c"", 0, &MountAttrRaw::default()).map(drop)),
            may_unshare,
        ]);
        Self {
            new_mount_api,
            openat2,
            // Without a filter EPERM is the kernel's word to who may not mount.
            mount_setattr: mount_setattr || (release >= (5, 12) && !is_filtered()),
            move_beneath: release >= (6, 5),
            overlay_mapped_layers: release >= (5, 19),
            overlay_leaves_uuid: release >= (6, 6),
            tmpfs_user_attributes: release >= (6, 6),
            overlay_layer_words: release >= (6, 7),
            overlay_layer_fds: release >= (6, 13),
            detached_children: open_tree_attr || release >= (6, 15),
            overlay_detached_layers: open_tree_attr || release >= (6, 15),
            open_tree_attr,
            private_namespace: private_namespace
                && is_mount("/")
                && std::path::Path::new("/proc/self/fd").exists(),
            initial_user_namespace: is_initial_user_namespace(),
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
fn is_initial_user_namespace() -> bool {
    const PROC_USER_INIT_INO: u64 = 0xEFFF_FFFD;
    match rustix::fs::stat("/proc/self/ns/user") {
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
