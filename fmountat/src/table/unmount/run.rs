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
    /// Unmounts `path`: `umount2(UMOUNT_NOFOLLOW)`. A final symbolic link is not followed.
    ///
    /// # Errors
    /// All that went wrong, never none: [`ErrorKind::NotFound`], [`ErrorKind::NotMounted`] (also for a symbolic link),
    /// [`ErrorKind::Busy`] after the timeout, with those who use it in [`Error::holders`](crate::Error::holders), [`ErrorKind::TimedOut`] where
    /// the file system did not answer and the kernel's call goes on, [`ErrorKind::Permission`],
    /// [`ErrorKind::Unsupported`] without /proc.
    pub fn run(&self, path: impl AsRef<Path>) -> Result<(), Errors> {
        self.run_at(CWD, path)
    }

    /// As [`run`](Self::run), with a path that starts at `dir`.
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
            (false, false) => Ok(call::one(&place, self.lazy, self.deadline())?),
        }
    }

    /// Unmounts exactly the mount with this id, found by `statmount(2)` \[Linux 6.8\] or, for an id of mountinfo, in the
    /// table. What is on top of it is never taken in its place.
    ///
    /// # Errors
    /// As [`run`](Self::run); [`ErrorKind::NotMounted`] where this namespace has no such mount, [`ErrorKind::Busy`] while
    /// another mount hides it, [`ErrorKind::OptionConflict`] together with [`all`](Self::all) or
    /// [`recursive`](Self::recursive), which take others too.
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
                call::one(&place, self.lazy, self.deadline())
            }
            Err(error) if !place::is_hidden(&error) => Err(error),
            _ => Err(errors::hidden(&point)),
        }
    }

    /// Unmounts a published set in one call, by its identity: its root by `MNT_DETACH`, with all that is in it. Unless
    /// [`lazy`](Self::lazy) is set, processes that use one of its mounts are looked for first, until the timeout.
    ///
    /// What others have mounted in it or on it since is not dropped: it is told, in [`Error::holders`](crate::Error::holders), and nothing is
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
    pub fn run_sets(&self, sets: &[PublishedSet]) -> Result<(), Errors> {
        Errors::check(set::many(self, sets, self.deadline()))
    }

    /// No deadline that the clock can hold means: as long as it takes.
    fn deadline(&self) -> Option<Instant> {
        Instant::now().checked_add(self.timeout)
    }
}
