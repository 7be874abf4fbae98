// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Unmounts many independent mounts together.
//!
//! Each umount2(2) waits for an RCU grace period, however many mounts it detaches. move_mount(2)
//! does not wait. The mounts are therefore moved below one mount, and one call detaches all of them
//! (`sys/batch_detach.rs`).

use crate::error::{Error, Operation, Result, Syscall};
use crate::mountinfo::id::{MountId, id_mask};
use crate::sys::batch_detach::{Batch, Failed, batch_detach};
use crate::sys::ms::MS_SHARED;
use crate::sys::statmount::{MNT_BASIC, statmount};
use crate::table::unmount::place::Place;
use crate::table::unmount::{call, errors};
use crate::vfs::attr::MountAttr;
use crate::vfs::bytes::c_string;
use crate::vfs::context::FsContext;
use crate::vfs::detach::unmount_forbidden;
use crate::vfs::target::Target;
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::MoveMountFlags;

/// The number of mounts per call: each needs two descriptors meanwhile.
const BATCH: usize = 128;

/// Unmounts as many as possible, with one call for each [`BATCH`]. Returns the others, always at
/// least one: the collecting mount is attached over that one, which is about to be unmounted
/// anyway, so that no other path changes.
pub(crate) fn together(places: Vec<Place>) -> (Vec<Place>, Result<()>) {
    let (mut movable, mut left): (Vec<_>, Vec<_>) = places.into_iter().partition(can_move);
    let Some(base) = movable.pop() else { return (left, Ok(())) };
    let mut done = Ok(());
    // Where umount2(2) is forbidden, it would stop half-way.
    while done.is_ok() && !movable.is_empty() && unmount_forbidden().is_none() {
        let more = movable.split_off(movable.len().min(BATCH));
        let some = std::mem::replace(&mut movable, more);
        done = unmount_batch(some, &base, &mut left);
    }
    left.extend(movable);
    left.push(base);
    (left, done)
}

/// Adds the mounts that were not unmounted to `left`.
fn unmount_batch(places: Vec<Place>, base: &Place, left: &mut Vec<Place>) -> Result<()> {
    let Ok(collector) = Collector::new(places.len()) else {
        // Nothing was changed: the caller may unmount them one by one.
        left.extend(places);
        return Ok(());
    };
    let mut moved = vec![false; places.len()];
    let done = collector.take(&places, base, &mut moved);
    let (gathered, others): (Vec<_>, Vec<_>) =
        places.into_iter().zip(moved).enumerate().partition(|(_, (_, moved))| *moved);
    left.extend(others.into_iter().map(|(_, (place, _))| place));
    if done.is_err() {
        // Moves them back and detaches the collecting mount. The first error is reported; errors of
        // the clean-up are dropped.
        let back = |(number, (place, _))| put_back(number, place, base);
        left.extend(gathered.into_iter().filter_map(back));
        let _ = collector.drop_from(base);
    }
    done
}

/// Moves a mount back to its mount point. Returns its `Place` on success.
fn put_back(number: usize, place: Place, base: &Place) -> Option<Place> {
    let from = Target::open(CWD, base.path.join(number.to_string())).ok()?;
    let to = Target::open(CWD, &place.path).ok()?;
    if MountId::of(from.as_fd()).ok()? != place.id {
        return None;
    }
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(&from, c"", &to, c"", flags).ok()?;
    Some(place)
}

/// Reports whether the mount can be moved: the kernel refuses if its parent is shared.
fn can_move(place: &Place) -> bool {
    let stat = |id| statmount(id, MNT_BASIC).ok()?.basic;
    let parent = stat(place.id.get()).and_then(|basic| stat(basic.parent));
    parent.is_some_and(|parent| parent.propagation & MS_SHARED == 0)
}

/// A detached tmpfs with an empty directory for each mount to collect.
struct Collector {
    tree: Tree,
    id: MountId,
    dirs: Vec<OwnedFd>,
}

impl Collector {
    fn new(dirs: usize) -> Result<Self> {
        let tree = FsContext::open("tmpfs")?.create()?.mount(&MountAttr::default())?;
        let make = |number: usize| {
            let name = number.to_string();
            rustix::fs::mkdirat(tree.root(), &name, Mode::RWXU)?;
            rustix::fs::openat(tree.root(), &name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        };
        let dirs: std::result::Result<Vec<_>, Errno> = (0..dirs).map(make).collect();
        let dirs = dirs.map_err(|errno| Error::sys(Operation::Unmount, Syscall::Openat, errno))?;
        Ok(Self { id: tree.id()?, tree, dirs })
    }

    /// Collects and detaches all mounts that are still visible at their mount points. Also succeeds
    /// if nothing could be moved.
    fn take(&self, places: &[Place], base: &Place, moved: &mut [bool]) -> Result<()> {
        let Ok(over) = base.root() else { return Ok(()) };
        let (mut roots, mut numbers) = (Vec::new(), Vec::new());
        for (number, place) in places.iter().enumerate() {
            if let Ok(root) = place.root() {
                roots.push(root);
                numbers.push(number);
            }
        }
        let dirs = numbers.iter().filter_map(|number| self.dirs.get(*number));
        let moves: Vec<_> = roots.iter().zip(dirs).map(|(root, dir)| (root.as_fd(), dir.as_fd())).collect();
        let mut were_moved = vec![false; moves.len()];
        let done = batch_detach(
            &Batch {
                tree: self.tree.root(),
                id: self.id.get(),
                mask: id_mask(),
                base: over.as_fd(),
                name: &c_string(Operation::ReadTarget, &base.handle.name)?,
                moves: &moves,
            },
            &mut were_moved,
        );
        for (number, _) in numbers.iter().zip(were_moved).filter(|(_, moved)| *moved) {
            moved[*number] = true;
        }
        match done {
            Ok(()) => Ok(()),
            // Nothing was changed: the caller may unmount them one by one.
            Err(Failed::Attach(_)) => Ok(()),
            Err(Failed::Covered) => Err(errors::exchanged(&base.path)),
            Err(Failed::Detach(errno)) => Err(errors::of_errno(&base.path, errno)),
        }
    }

    fn drop_from(self, base: &Place) -> Result<()> {
        let Self { id, tree, dirs } = self;
        drop((tree, dirs));
        match Place::open(&base.path)? {
            Some(place) if place.id == id => call::one(&place, rustix::mount::UnmountFlags::DETACH, None),
            _ => Err(errors::exchanged(&base.path)),
        }
    }
}
