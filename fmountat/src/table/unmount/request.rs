// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The options of an unmount.

use rustix::mount::UnmountFlags;
use std::time::Duration;

/// How to unmount. A final symbolic link is never followed, and every error is reported.
///
/// A FUSE mount is unmounted by `fusermount3 -u` or `fusermount -u` if one of them is in `PATH`. If
/// that fails, umount2(2) is tried. File systems served by a program or another machine (fuse, nfs,
/// 9p, cifs, smb3, ceph, afs, virtiofs) are unmounted on a separate thread, so that a dead server
/// cannot block the caller longer than the timeout.
///
/// umount2(2) takes a path; the kernel cannot unmount by id. If somebody mounts on the target
/// between the last check and umount2(2), that mount is unmounted instead.
///
/// ```no_run
/// let unmount = fmountat::Unmount::new().recursive(true);
/// unmount.run("/srv/rootfs").map_err(|errors| errors[0].clone())?;
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Unmount {
    pub(crate) recursive: bool,
    pub(crate) all: bool,
    pub(crate) lazy: bool,
    pub(crate) force: bool,
    pub(crate) timeout: Duration,
}

impl Default for Unmount {
    fn default() -> Self {
        Self::new()
    }
}

impl Unmount {
    /// Unmounts only the top mount, not lazily. Retries a busy mount for 2.5 seconds.
    #[must_use]
    pub fn new() -> Self {
        Self { recursive: false, all: false, lazy: false, force: false, timeout: Duration::from_millis(2500) }
    }

    /// Unmounts everything at and below the target, deepest first, also mounts hidden beneath
    /// others. With [`lazy`](Self::lazy) it makes one call for each mount of the stack at the
    /// target.
    ///
    /// Mounts that a user namespace inherited are locked together (mount_namespaces(7)). Such a
    /// tree is detached as a whole with `MNT_DETACH`, once no process is found that uses it.
    #[must_use]
    pub fn recursive(mut self, yes: bool) -> Self {
        self.recursive = yes;
        self
    }

    /// Unmounts all mounts stacked at the target, from the top down. Succeeds if nothing is mounted
    /// there or the path does not exist. A symbolic link is still an error.
    #[must_use]
    pub fn all(mut self, yes: bool) -> Self {
        self.all = yes;
        self
    }

    /// Sets `MNT_DETACH`: the mount and all its child mounts leave the table at once, and are freed
    /// when their last user is done.
    #[must_use]
    pub fn lazy(mut self, yes: bool) -> Self {
        self.lazy = yes;
        self
    }

    /// Sets `MNT_FORCE`: a network or FUSE file system gives up its pending requests, which fail
    /// with `EIO`. Other file systems ignore it. Not used for the mounts below a target.
    #[must_use]
    pub fn force(mut self, yes: bool) -> Self {
        self.force = yes;
        self
    }

    /// Returns the flags of umount2(2).
    pub(crate) fn flags(&self) -> UnmountFlags {
        let flags = [(self.lazy, UnmountFlags::DETACH), (self.force, UnmountFlags::FORCE)];
        flags.into_iter().filter_map(|(is_set, flag)| is_set.then_some(flag)).collect()
    }

    /// Sets how long to retry a busy mount, and how long to wait for a file system that does not
    /// answer (at least 100 milliseconds). All mounts of one call share it.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}
