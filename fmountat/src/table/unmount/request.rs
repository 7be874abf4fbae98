// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Unmounting: what was looked at, and nothing else; no symbolic link followed; every error reported.

use std::time::Duration;

/// How to unmount.
///
/// A FUSE mount goes by `fusermount3 -u` or `fusermount -u` where one of them is in `PATH`, then by umount2(2). Where a
/// program or another machine answers for the file system (fuse, nfs, 9p, cifs, smb3, ceph, afs, virtiofs), the call is
/// made on a thread of its own, so that one that does not answer can't hold the caller up for longer than the timeout.
///
/// Between the last look at the place and umount2(2), which takes a path, somebody else can put a mount there: that one
/// goes then. The kernel has no call that takes a mount by its id.
///
/// ```no_run
/// fmountat::Unmount::new().recursive(true).run("/srv/rootfs").map_err(|errors| errors[0].clone())?;
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Unmount {
    pub(crate) recursive: bool,
    pub(crate) all: bool,
    pub(crate) lazy: bool,
    pub(crate) timeout: Duration,
}

impl Default for Unmount {
    fn default() -> Self {
        Self::new()
    }
}

impl Unmount {
    /// The top mount alone, not lazily; a busy one is tried again for 2.5 seconds.
    #[must_use]
    pub fn new() -> Self {
        Self { recursive: false, all: false, lazy: false, timeout: Duration::from_millis(2500) }
    }

    /// Everything mounted at and below it, deepest first, what is hidden beneath other mounts too; lazily in one call for
    /// each mount of the stack at the place. Mounts that came into a user namespace from outside are locked together
    /// (mount_namespaces(7)): a copy of such a tree goes as a whole, with `MNT_DETACH`, once no process is found in it.
    #[must_use]
    pub fn recursive(mut self, yes: bool) -> Self {
        self.recursive = yes;
        self
    }

    /// All mounts of a stack at that very place, from the top down. Nothing mounted there, or nothing there at all, is
    /// success. A symbolic link is still an error.
    #[must_use]
    pub fn all(mut self, yes: bool) -> Self {
        self.all = yes;
        self
    }

    /// `MNT_DETACH`: out of the table now with all that is mounted on it, gone when its last user is.
    #[must_use]
    pub fn lazy(mut self, yes: bool) -> Self {
        self.lazy = yes;
        self
    }

    /// How long to try again while it is busy, and how long to wait for a file system that does not answer (at least
    /// 100 milliseconds). All mounts of one call share it.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}
