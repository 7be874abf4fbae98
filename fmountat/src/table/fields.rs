// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What to know of each mount, and by which interface.

use crate::sys::listmount::next_mount;
use crate::sys::procfs;
use crate::sys::statmount::{
    FS_SUBTYPE, FS_TYPE, MNT_BASIC, MNT_GIDMAP, MNT_OPTS, MNT_POINT, MNT_ROOT, MNT_UIDMAP, OPT_SEC_ARRAY,
    PROPAGATE_FROM, SB_BASIC, SB_SOURCE,
};
use bitflags::bitflags;
use rustix::io::Errno;
use std::fmt;

/// The operation and its strategies in events.
pub(crate) const READ_TABLE: &str = "read the mount table";
pub(crate) const BY_STATMOUNT: &str = "listmount(2) and statmount(2)";
pub(crate) const BY_MOUNTINFO: &str = "mountinfo";

bitflags! {
    /// What a [`Table`](crate::table::snapshot::Table) knows of each mount, beside its ids, its parent, its propagation and its own options,
    /// which it always knows. Each field costs: a path more than a number, and the options of an overlay more than all else.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Fields: u32 {
        /// The device number of the file system.
        const DEVICE = 0x1;
        /// The directory of the file system that is the mount's root.
        const ROOT = 0x2;
        /// The mount point.
        const TARGET = 0x4;
        /// The file system's type.
        const FSTYPE = 0x8;
        /// The source.
        const SOURCE = 0x10;
        /// The options of the file system.
        const SUPER_OPTIONS = 0x20;
        /// The nearest peer group of this namespace that a slave receives from. The kernel walks all peers for it: a
        /// thousand slaves of a mount that 40 namespaces share take seconds.
        const PROPAGATE_FROM = 0x40;
        /// The kernel's unique ids \[Linux 6.8\], which mountinfo has not.
        const UNIQUE_ID = 0x80;
        /// How idmapped mounts map users and groups \[Linux 6.15\], which mountinfo has not.
        const IDMAP = 0x100;

        /// All that mountinfo has.
        const MOUNTINFO = 0x7f;
        /// What people like to see: target, source, type, options.
        const LIST = 0x3c;
    }
}

impl Fields {
    /// The bits of statmount(2).
    pub(crate) fn mask(self) -> u64 {
        let bits = [
            (Self::DEVICE, SB_BASIC),
            (Self::ROOT, MNT_ROOT),
            (Self::TARGET, MNT_POINT),
            (Self::FSTYPE, FS_TYPE | FS_SUBTYPE),
            (Self::SOURCE, SB_SOURCE),
            (Self::SUPER_OPTIONS, SB_BASIC | MNT_OPTS | OPT_SEC_ARRAY),
            (Self::PROPAGATE_FROM, PROPAGATE_FROM),
            (Self::IDMAP, MNT_UIDMAP | MNT_GIDMAP),
        ];
        let asked = bits.iter().filter(|(field, _)| self.contains(*field));
        asked.fold(MNT_BASIC, |mask, (_, bit)| mask | bit)
    }
}

/// The interface that the mount table is read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TableStrategy {
    /// The one that is faster for the fields asked for and the mounts that are there, of those that can give them.
    #[default]
    Auto,
    /// listmount(2) and statmount(2) \[Linux 6.8; sources and types like `fuse.sshfs` 6.13\].
    Statmount,
    /// `/proc/PID/mountinfo`: proc_pid_mountinfo(5).
    Mountinfo,
}

impl TableStrategy {
    /// Returns whether the interface can be used here: the kernel has the calls and no seccomp filter forbids them, or /proc is
    /// mounted. Which fields it can give is not part of the question.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Auto => Self::Statmount.is_available() || Self::Mountinfo.is_available(),
            Self::Statmount => !matches!(next_mount(0, 0, false), Err(Errno::NOSYS | Errno::PERM)),
            Self::Mountinfo => procfs::check().is_ok(),
        }
    }
}

impl fmt::Display for TableStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Statmount => "statmount",
            Self::Mountinfo => "mountinfo",
        })
    }
}
