// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Many mounts that have nothing to do with each other, taken away together.
//!
//! Each umount2(2) waits for every processor to notice (an RCU grace period), whatever it takes away. So the mounts are moved
//! below one: that costs no such wait, and then one call takes all.

use super::place::Place;
use super::{call, errors};
use crate::error::Result;
use crate::sys::statmount::{MNT_BASIC, statmount};
use crate::vfs::attr::{MountAttr, Propagation};
use crate::vfs::context::FsContext;
use crate::vfs::identity::MountId;
use crate::vfs::target::Target;
use crate::vfs::tree::unmount_forbidden;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::MoveMountFlags;
use std::time::Instant;

/// Takes away as many as can be, with one call for all; gives back the others, one of which is always left. The mount that
/// they are moved to is put over that one, which is to go anyway, so that no other place shows anything.
pub(super) fn together(places: Vec<Place>, deadline: Option<Instant>) -> (Vec<Place>, Result<()>) {
    let (mut movable, mut left): (Vec<_>, Vec<_>) = places.into_iter().partition(can_move);
    let Some(base) = movable.pop() else { return (left, Ok(())) };
    // That would leave all of it half done.
    if unmount_forbidden().is_some() {
        left.extend(movable);
        left.push(base);
        return (left, Ok(()));
    }
    let mut gathering = match Gathering::over(&base, movable.len()) {
        Ok(gathering) => gathering,
        // Nothing was changed: one by one it may go all the same.
        Err(_) => {
            left.extend(movable);
            left.push(base);
            return (left, Ok(()));
        }
    };
    let mut moved = Vec::new();
    for (number, (place, room)) in movable.into_iter().zip(&gathering.rooms).enumerate() {
        match take(&place, room) {
            Ok(()) => moved.push((number, place)),
            Err(_) => left.push(place),
        }
    }
    let done = gathering.drop_all(&base, deadline);
    if done.is_err() {
        // Back to their places, and the gathering away: what fails now was told by the first failure.
        moved
            .into_iter()
            .filter_map(|(number, place)| put_back(number, place, &base))
            .for_each(|place| left.push(place));
        let _ = gathering.drop_all(&base, deadline);
    }
    left.push(base);
    (left, done)
}

/// Moves a mount from its room to where it was; gives its place back.
fn put_back(number: usize, place: Place, base: &Place) -> Option<Place> {
    let from = Target::open(CWD, base.path.join(number.to_string())).ok()?;
    let to = Target::open(CWD, &place.path).ok()?;
    if MountId::of(from.as_fd()).ok()? != place.id {
        return None;
    }
    move_mount(&from, &to).ok()?;
    Some(place)
}

/// The kernel moves no mount away from below a shared one.
fn can_move(place: &Place) -> bool {
    const MS_SHARED: u64 = libc::MS_SHARED;
    let told = |id| statmount(id, MNT_BASIC).ok()?.basic;
    let parent = told(place.id.get()).and_then(|basic| told(basic.parent));
    parent.is_some_and(|parent| parent.propagation & MS_SHARED == 0)
}

/// A tmpfs with an empty directory for each mount.
struct Gathering {
    id: MountId,
    rooms: Vec<OwnedFd>,
}

impl Gathering {
    fn over(base: &Place, rooms: usize) -> Result<Self> {
        let private = MountAttr { propagation: Some(Propagation::Private), ..MountAttr::default() };
        let tree = FsContext::open("tmpfs")?.create()?.mount(&MountAttr::default())?;
        let room = |number: usize| {
            let name = number.to_string();
            rustix::fs::mkdirat(tree.root(), &name, Mode::RWXU)?;
            rustix::fs::openat(tree.root(), &name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        };
        let rooms: std::result::Result<Vec<_>, _> = (0..rooms).map(room).collect();
        let rooms = rooms.map_err(|e| errors::of_errno(&base.path, e))?;
        let target = Target::open(CWD, &base.path)?;
        if MountId::of(target.as_fd())? != base.id {
            return Err(errors::exchanged(&base.path));
        }
        let attached = tree.attach(&target)?;
        let mut gathering = Self { id: attached.id(), rooms };
        // Below a shared mount it is shared itself now, and nothing could be moved to it.
        match crate::vfs::attr::set_attr(
            attached.root(),
            &private,
            false,
            crate::vfs::attr::Locked::StaysAsItIs,
        ) {
            Ok(()) => Ok(gathering),
            Err(error) => {
                drop(attached);
                gathering.drop_all(base, None)?;
                Err(error)
            }
        }
    }

    fn drop_all(&mut self, base: &Place, deadline: Option<Instant>) -> Result<()> {
        self.rooms.clear();
        match Place::open(&base.path)? {
            Some(place) if place.id == self.id => call::one(&place, true, deadline),
            _ => Err(errors::exchanged(&base.path)),
        }
    }
}

/// Moves the mount, if it is still the one that is seen at its place.
fn take(place: &Place, room: &OwnedFd) -> Result<()> {
    let root = place.root()?;
    move_mount(&root, room).map_err(|e| errors::of_errno(&place.path, e))
}

fn move_mount(from: impl AsFd, to: impl AsFd) -> std::result::Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(from, c"", to, c"", flags)
}
