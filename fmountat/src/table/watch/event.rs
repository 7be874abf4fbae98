// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The events of a watch.

use crate::mountinfo::MountEntry;
use crate::mountinfo::id::MountId;
use std::fmt;

/// The kind of an event, named as `findmnt --poll` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MountAction {
    /// A mount was attached.
    Mount,
    /// A mount was detached.
    Umount,
    /// A mount has a new parent or a new mount point.
    Move,
    /// The options of a mount changed; reported by mountinfo only.
    Remount,
    /// The kernel lost events. The events up to [`Resync`](Self::Resync) are the differences to the
    /// current table.
    Overflow,
    /// The known mounts match the table again.
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
    /// The mount of the event; `None` for an overflow and a resync.
    pub id: Option<MountId>,
    /// The mount as it is now, or its last known state if it was detached. `None` if it was
    /// detached before it could be read.
    pub entry: Option<MountEntry>,
    /// The state before a move or a change.
    pub before: Option<MountEntry>,
}
