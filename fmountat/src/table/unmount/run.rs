// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Unmounts by path, by id, or as a set.

use crate::error::{ErrorKind, Errors, Result};
use crate::mountinfo::id::MountId;
use crate::table::located;
use crate::table::published::PublishedSet;
use crate::table::unmount::place::Place;
use crate::table::unmount::request::Unmount;
use crate::table::unmount::{call, errors, place, set, tree};
use rustix::fd::AsFd;
use rustix::fs::CWD;
use std::path::Path;
use std::time::Instant;

impl Unmount {
    /// Unmounts `path` by `umount2(UMOUNT_NOFOLLOW)`. Does not follow a final symbolic link.
    ///
    /// # Errors
    /// All errors, at least one: [`ErrorKind::NotFound`], [`ErrorKind::NotMounted`] (also for a
    /// symbolic link), [`ErrorKind::Busy`] after the timeout, with the holders in
    /// [`Error::holders`](crate::Error::holders), [`ErrorKind::TimedOut`] if the file system does
    /// not answer and the kernel's call continues, [`ErrorKind::Permission`],
    /// [`ErrorKind::Unsupported`] without /proc.
    pub fn run(&self, path: impl AsRef<Path>) -> Result<(), Errors> {
        self.run_at(CWD, path)
    }

    /// Like [`run`](Self::run), with a path relative to `dir`.
    ///
    /// # Errors
    /// Those of [`run`](Self::run).
    pub fn run_at(&self, dir: impl AsFd, path: impl AsRef<Path>) -> Result<(), Errors> {
        let path = path.as_ref();
        let place = match Place::open_at(dir.as_fd(), path) {
            Ok(Some(place)) => place,
            Ok(None) if self.all => return Ok(()),
            Err(error) if self.all && error.kind() == ErrorKind::NotFound => return Ok(()),
            Ok(None) => return Err(errors::nothing_mounted(path).into()),
            Err(error) => return Err(error.into()),
        };
        if !self.lazy {
            place.need_not_be_root()?;
        }
        match (self.recursive, self.all) {
            (true, _) => tree::tree(self, &place, self.deadline()),
            (false, true) => tree::stack(self, &place, self.deadline()),
            (false, false) => Ok(call::one(&place, self.flags(), self.deadline())?),
        }
    }

    /// Unmounts exactly the mount with this id. Finds a unique id by
    /// `statmount(2)` \[Linux 6.8\], a mountinfo id in the table. Never unmounts a mount on top of
    /// it instead.
    ///
    /// # Errors
    /// Those of [`run`](Self::run); [`ErrorKind::NotMounted`] if this namespace has no such mount,
    /// [`ErrorKind::Busy`] while another mount hides it, [`ErrorKind::OptionConflict`] together
    /// with [`all`](Self::all) or [`recursive`](Self::recursive), which unmount others too.
    pub fn run_id(&self, id: MountId) -> Result<()> {
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
                call::one(&place, self.flags(), self.deadline())
            }
            Err(error) if !place::is_hidden(&error) => Err(error),
            _ => Err(errors::covered(&point)),
        }
    }

    /// Unmounts a published set by its identity: detaches its root with `MNT_DETACH`, and the
    /// mounts below with it. Unless [`lazy`](Self::lazy) is set, first waits until no process uses
    /// any of its mounts, at most for the timeout.
    ///
    /// If others have mounted in it or on it since, nothing is changed and
    /// [`Error::holders`](crate::Error::holders) lists their mounts. A mount added between this
    /// check and umount2(2) is detached too: the kernel has no call that checks.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] with the holders; [`ErrorKind::NotMounted`] if the set was unmounted or
    /// is in another mount namespace; [`ErrorKind::Unsupported`] before Linux 6.8 or without /proc;
    /// [`ErrorKind::Permission`].
    pub fn run_set(&self, set: &PublishedSet) -> Result<()> {
        set::one(self, set, self.deadline())
    }

    /// Like [`run_set`](Self::run_set), for many sets together.
    ///
    /// Most of the cost of umount2(2) is an RCU grace period. The sets are therefore moved below
    /// one mount, which is attached over one of the sets, and one call detaches all of them. Sets
    /// below a shared mount cannot be moved and are unmounted one by one.
    ///
    /// # Errors
    /// Those of [`run_set`](Self::run_set) for each set that fails; the others are unmounted. A
    /// child process makes the calls, 128 sets at a time, so that `kill -9` of the caller leaves
    /// each set either in its place or unmounted.
    pub fn run_sets(&self, sets: &[PublishedSet]) -> Result<(), Errors> {
        Errors::check(set::many(self, sets, self.deadline()))
    }

    /// Returns `None` for a timeout that overflows the clock: no limit.
    fn deadline(&self) -> Option<Instant> {
        Instant::now().checked_add(self.timeout)
    }
}
