// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is told of a change.

use crate::mountinfo::MountEntry;
use crate::mountinfo::id::MountId;
use std::fmt;

/// What happened; the words are those of `findmnt --poll`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MountAction {
    /// A mount was attached.
    Mount,
    /// It was detached.
    Umount,
    /// It is on another mount, or seen at another path.
    Move,
    /// Its options are not as before; by mountinfo alone.
    Remount,
    /// The kernel has lost events: what follows up to [`Resync`](Self::Resync) is the difference to the table as it is now.
    Overflow,
    /// The mounts are known again.
    Resync,
}

impl fmt::Display for MountAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mount => "mount",
            Self::Umount => "umount",
            Self::Move => "move",
            Self::Remount => "remount",
            Self::Overflow => "overflow",
            Self::Resync => "resync",
        })
    }
}

/// An event of a [`Watch`](crate::table::watch::watch::Watch).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MountEvent {
    /// What happened.
    pub action: MountAction,
    /// To which mount; none for an overflow and what ends it.
    pub id: Option<MountId>,
    /// The mount: as it is, or as it was last known when it is gone. `None` where it went before it could be looked at.
    pub entry: Option<MountEntry>,
    /// What it was before a move or a change.
    pub before: Option<MountEntry>,
}
