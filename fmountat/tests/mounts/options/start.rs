// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Makes the mounts for tests of options, with mount(2) and not with the crate: a tmpfs with
//! another one on `d/sub`.

use super::state::{Look, MountState, Propagations};
use fmountat::Attr;
use fmountat_testing::{mkdirs, scratch};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{CWD, Gid, Mode, Uid};
use rustix::mount::{
    MountFlags, MountPropagationFlags, OpenTreeFlags, UnmountFlags, mount, mount_bind_recursive,
    mount_change, mount_remount, open_tree, unmount,
};
use std::path::{Path, PathBuf};

/// The state of the mounts before the options are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Private, no attribute, strictatime; a read-only file system with `lazytime`.
    Bare,
    /// Shared with a peer, every attribute, noatime; a writable file system with `sync` and `mand`.
    Full,
}

pub(crate) fn file(path: &str) -> PathBuf {
    scratch().join(path)
}

fn bits(flags: u64) -> MountFlags {
    MountFlags::from_bits_retain(u32::try_from(flags).unwrap())
}

impl Start {
    /// Attributes as `MS_*`.
    fn attributes(self) -> u64 {
        use libc::{MS_NOATIME, MS_NODEV, MS_NODIRATIME, MS_NOEXEC, MS_NOSUID, MS_NOSYMFOLLOW, MS_RDONLY};
        let all = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_NOSYMFOLLOW;
        if self == Self::Full { all } else { libc::MS_STRICTATIME }
    }

    fn superblock(self) -> u64 {
        let full = libc::MS_SYNCHRONOUS | libc::MS_MANDLOCK;
        if self == Self::Full { full } else { libc::MS_RDONLY | libc::MS_LAZYTIME }
    }

    /// Returns the top mount and the one below it.
    pub(crate) fn states(self) -> [MountState; 2] {
        let is_full = self == Self::Full;
        let all = (Attr::all() - Attr::ATIME_FIELD) | Attr::NOATIME;
        let propagation = Propagations { shared: is_full, ..Propagations::default() };
        let attr = if is_full { all } else { Attr::STRICTATIME };
        [MountState { attr, superblock: self.superblock(), propagation, idmapped: false }; 2]
    }

    /// Mounts the tree at `path`, with its peers at `peer`. Returns a descriptor that gives access
    /// independent of the attributes.
    pub(crate) fn mount(self, path: &Path, peer: &Path) -> Access {
        let sub = path.join("d/sub");
        for place in [path, &sub] {
            mount("tmpfs", place, "tmpfs", MountFlags::empty(), c"size=64k").unwrap();
            std::fs::create_dir_all(place.join("d/sub")).unwrap();
        }
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let access = Access(open_tree(CWD, path, flags).unwrap());
        for place in [&sub, path] {
            mount_remount(place, bits(self.superblock()), c"").unwrap();
            mount_remount(place, bits(libc::MS_BIND | self.attributes()), c"").unwrap();
        }
        if self == Self::Full {
            mount_change(path, MountPropagationFlags::SHARED | MountPropagationFlags::REC).unwrap();
            mount_bind_recursive(path, peer).unwrap();
        }
        access
    }
}

/// A detached clone of the top mount. It is writable if the file system is.
#[derive(Debug)]
pub(crate) struct Access(OwnedFd);

impl Access {
    /// Restores the mode and owner that options have changed.
    pub(crate) fn restore(&self) {
        let top = PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()));
        for (path, mode) in [(top.join("."), 0o1777), (top.join("d"), 0o755)] {
            let want = Look { mode, uid: 0, gid: 0 };
            if Look::at(&path) != want {
                rustix::fs::chown(&path, Some(Uid::ROOT), Some(Gid::ROOT)).unwrap();
                rustix::fs::chmod(&path, Mode::from_raw_mode(mode)).unwrap();
            }
        }
    }
}

/// Makes the tree private and unmounts it: otherwise its peers would lose the mounts below it too.
pub(crate) fn unmount_tree(path: &Path) {
    mount_change(path, MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
    unmount(path, UnmountFlags::DETACH).unwrap();
}

pub(crate) fn make_places() {
    mkdirs(scratch(), &["t", "peer"]);
}
