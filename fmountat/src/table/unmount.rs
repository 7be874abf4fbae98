// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Unmounting: what was looked at, and nothing else; no symbolic link followed; every error reported.

mod batch;
mod call;
mod errors;
mod fuse;
mod place;
mod set;
mod tree;

use super::located;
use super::published::PublishedSet;
use crate::error::{Error, ErrorKind, Result};
use crate::vfs::identity::MountId;
use place::Place;
use std::path::Path;
use std::time::{Duration, Instant};

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
    recursive: bool,
    all: bool,
    lazy: bool,
    timeout: Duration,
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

    /// Unmounts `path`: `umount2(UMOUNT_NOFOLLOW)`. A final symbolic link is not followed.
    ///
    /// # Errors
    /// All that went wrong, never none: [`ErrorKind::NotFound`], [`ErrorKind::NotMounted`] (also for a symbolic link),
    /// [`ErrorKind::Busy`] after the timeout, with those who use it in [`Error::holders`], [`ErrorKind::TimedOut`] where
    /// the file system did not answer and the kernel's call goes on, [`ErrorKind::Permission`],
    /// [`ErrorKind::Unsupported`] without /proc.
    pub fn run(&self, path: impl AsRef<Path>) -> Result<(), Vec<Error>> {
        let path = path.as_ref();
        let place = match Place::open(path) {
            Ok(Some(place)) => place,
            Ok(None) if self.all => return Ok(()),
            Err(error) if self.all && error.kind() == ErrorKind::NotFound => return Ok(()),
            Ok(None) => return Err(vec![errors::nothing_mounted(path)]),
            Err(error) => return Err(vec![error]),
        };
        if !self.lazy {
            place.need_not_be_root().map_err(|e| vec![e])?;
        }
        match (self.recursive, self.all) {
            (true, _) => tree::tree(self, place, self.deadline()),
            (false, true) => tree::stack(self, &place, self.deadline()),
            (false, false) => call::one(&place, self.lazy, self.deadline()).map_err(|e| vec![e]),
        }
    }

    /// Unmounts exactly the mount with this id, found by `statmount(2)` \[Linux 6.8\] or, for an id of mountinfo, in the
    /// table. What is on top of it is never taken in its place.
    ///
    /// # Errors
    /// As [`run`](Self::run); [`ErrorKind::NotMounted`] where this namespace has no such mount, [`ErrorKind::Busy`] while
    /// another mount hides it, [`ErrorKind::OptionConflict`] together with [`all`](Self::all) or
    /// [`recursive`](Self::recursive), which take others too.
    pub fn run_id(&self, id: MountId) -> Result<(), Vec<Error>> {
        self.exactly(id).map_err(|e| vec![e])
    }

    /// Unmounts a published set in one call, by its identity: its root by `MNT_DETACH`, with all that is in it. Unless
    /// [`lazy`](Self::lazy) is set, processes that use one of its mounts are looked for first, until the timeout.
    ///
    /// What others have mounted in it or on it since is not dropped: it is told, in [`Error::holders`], and nothing is
    /// changed. (A mount that comes between this look and umount2(2) goes too: the kernel has no call that looks.)
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] with the holders; [`ErrorKind::NotMounted`] where the set is gone, or in another mount
    /// namespace; [`ErrorKind::Unsupported`] before Linux 6.8 or without /proc; [`ErrorKind::Permission`].
    pub fn run_set(&self, set: &PublishedSet) -> Result<()> {
        set::one(self, set, self.deadline())
    }

    /// As [`run_set`](Self::run_set) for each of the sets, which are unmounted together: umount2(2) waits for an RCU grace
    /// period, which is most of what it costs, so the sets are first moved below one mount, and that goes in one call. It
    /// is put over one of the sets. Sets below a shared mount can't be moved and go one by one.
    ///
    /// # Errors
    /// Those of [`run_set`](Self::run_set) for each set that fails; the others go. `kill -9` of this process in the middle of it
    /// leaves each set in its place or gone: a child that is no part of it makes the calls, 128 sets at a time.
    pub fn run_sets(&self, sets: &[PublishedSet]) -> Result<(), Vec<Error>> {
        let errors = set::many(self, sets, self.deadline());
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn exactly(&self, id: MountId) -> Result<()> {
        for (is_set, name) in [(self.all, "all"), (self.recursive, "recursive")] {
            if is_set {
                return Err(errors::conflict("a mount id", name));
            }
        }
        let point = located::point(id)?;
        let number = located::table_id(id)?;
        match Place::open(&point) {
            Ok(Some(place)) if place.number == number => {
                if !self.lazy {
                    place.need_not_be_root()?;
                }
                call::one(&place, self.lazy, self.deadline())
            }
            Err(error) if !place::is_hidden(&error) => Err(error),
            _ => Err(errors::hidden(&point)),
        }
    }

    /// No deadline that the clock can hold means: as long as it takes.
    fn deadline(&self) -> Option<Instant> {
        Instant::now().checked_add(self.timeout)
    }
}
