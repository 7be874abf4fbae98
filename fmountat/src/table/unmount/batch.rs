// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Many mounts that have nothing to do with each other, taken away together.
//!
//! Each umount2(2) waits for every processor to notice (an RCU grace period), whatever it takes away. So the mounts are moved
//! below one: that costs no such wait, and then one call takes all (`sys/gather`).

use crate::error::{Error, Operation, Result, Syscall};
use crate::mountinfo::id::{MountId, id_mask};
use crate::sys::batch_detach::{Failed, Gather, gather};
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

/// So many at once: each takes two descriptors meanwhile.
const AT_ONCE: usize = 128;

/// Takes away as many as can be, with one call for each [`AT_ONCE`]; gives back the others, one of which is always left. The
/// mount that they are moved to is put over that one, which is to go anyway, so that no other place shows anything.
pub(crate) fn together(places: Vec<Place>) -> (Vec<Place>, Result<()>) {
    let (mut movable, mut left): (Vec<_>, Vec<_>) = places.into_iter().partition(can_move);
    let Some(base) = movable.pop() else { return (left, Ok(())) };
    let mut done = Ok(());
    // Where nothing may be unmounted all of it would be left half done.
    while done.is_ok() && !movable.is_empty() && unmount_forbidden().is_none() {
        let more = movable.split_off(movable.len().min(AT_ONCE));
        let some = std::mem::replace(&mut movable, more);
        done = at_once(some, &base, &mut left);
    }
    left.extend(movable);
    left.push(base);
    (left, done)
}

/// Those that stay come to `left`.
fn at_once(places: Vec<Place>, base: &Place, left: &mut Vec<Place>) -> Result<()> {
    let Ok(room) = Room::new(places.len()) else {
        // Nothing was changed: one by one they may go all the same.
        left.extend(places);
        return Ok(());
    };
    let mut moved = vec![false; places.len()];
    let done = room.take(&places, base, &mut moved);
    let (gathered, others): (Vec<_>, Vec<_>) =
        places.into_iter().zip(moved).enumerate().partition(|(_, (_, moved))| *moved);
    left.extend(others.into_iter().map(|(_, (place, _))| place));
    if done.is_err() {
        // Back to their places, and the room away: what fails now was told by the first failure.
        let back = |(number, (place, _))| put_back(number, place, base);
        left.extend(gathered.into_iter().filter_map(back));
        let _ = room.drop_from(base);
    }
    done
}

/// Moves a mount from its room to where it was; gives its place back.
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

/// The kernel moves no mount away from below a shared one.
fn can_move(place: &Place) -> bool {
    let told = |id| statmount(id, MNT_BASIC).ok()?.basic;
    let parent = told(place.id.get()).and_then(|basic| told(basic.parent));
    parent.is_some_and(|parent| parent.propagation & MS_SHARED == 0)
}

/// A detached tmpfs with an empty directory for each mount.
struct Room {
    tree: Tree,
    id: MountId,
    rooms: Vec<OwnedFd>,
}

impl Room {
    fn new(rooms: usize) -> Result<Self> {
        let tree = FsContext::open("tmpfs")?.create()?.mount(&MountAttr::default())?;
        let room = |number: usize| {
            let name = number.to_string();
            rustix::fs::mkdirat(tree.root(), &name, Mode::RWXU)?;
            rustix::fs::openat(tree.root(), &name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        };
        let rooms: std::result::Result<Vec<_>, Errno> = (0..rooms).map(room).collect();
        let rooms = rooms.map_err(|errno| Error::sys(Operation::Unmount, Syscall::Openat, errno))?;
        Ok(Self { id: tree.id()?, tree, rooms })
    }

    /// All that are still seen at their places, in one step. Success too is where nothing could be moved.
    fn take(&self, places: &[Place], base: &Place, moved: &mut [bool]) -> Result<()> {
        let Ok(over) = base.root() else { return Ok(()) };
        let (mut roots, mut numbers) = (Vec::new(), Vec::new());
        for (number, place) in places.iter().enumerate() {
            if let Ok(root) = place.root() {
                roots.push(root);
                numbers.push(number);
            }
        }
        let rooms = numbers.iter().filter_map(|number| self.rooms.get(*number));
        let moves: Vec<_> =
            roots.iter().zip(rooms).map(|(root, room)| (root.as_fd(), room.as_fd())).collect();
        let mut were_moved = vec![false; moves.len()];
        let done = gather(
            &Gather {
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
            // Nothing was changed: one by one they may go all the same.
            Err(Failed::Attach(_)) => Ok(()),
            Err(Failed::Covered) => Err(errors::exchanged(&base.path)),
            Err(Failed::TakeAway(errno)) => Err(errors::of_errno(&base.path, errno)),
        }
    }

    fn drop_from(self, base: &Place) -> Result<()> {
        let Self { id, tree, rooms } = self;
        drop((tree, rooms));
        match Place::open(&base.path)? {
            Some(place) if place.id == id => call::one(&place, true, None),
            _ => Err(errors::exchanged(&base.path)),
        }
    }
}
