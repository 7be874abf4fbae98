// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The fields that a snapshot reads of each mount, and the interface it reads them from.

use crate::sys::listmount::next_mount;
use crate::sys::procfs;
use crate::sys::statmount::{
    FS_SUBTYPE, FS_TYPE, MNT_BASIC, MNT_GIDMAP, MNT_OPTS, MNT_POINT, MNT_ROOT, MNT_UIDMAP, OPT_SEC_ARRAY,
    PROPAGATE_FROM, SB_BASIC, SB_SOURCE,
};
use bitflags::bitflags;
use rustix::io::Errno;
use std::fmt;

/// The operation and its strategies as trace events name them.
pub(crate) const READ_TABLE: &str = "read the mount table";
pub(crate) const BY_STATMOUNT: &str = "listmount(2) and statmount(2)";
pub(crate) const BY_MOUNTINFO: &str = "mountinfo";

bitflags! {
    /// The fields that a [`Table`](crate::table::snapshot::Table) reads of each mount. Ids, parent,
    /// propagation and per-mount options are always read.
    ///
    /// Each field has a cost: a path costs more than a number, and the options of an overlay cost
    /// most.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Fields: u32 {
        /// The device number of the file system.
        const DEVICE = 0x1;
        /// The directory of the file system that is the root of the mount.
        const ROOT = 0x2;
        /// The mount point.
        const TARGET = 0x4;
        /// The file system type.
        const FSTYPE = 0x8;
        /// The source.
        const SOURCE = 0x10;
        /// The per-superblock options.
        const SUPER_OPTIONS = 0x20;
        /// The closest dominant peer group that a slave receives propagation from. The kernel walks
        /// all peers to find it: for a thousand slaves of a mount shared by 40 namespaces that
        /// takes seconds.
        const PROPAGATE_FROM = 0x40;
        /// The kernel's unique ids \[Linux 6.8\]. mountinfo lacks them.
        const UNIQUE_ID = 0x80;
        /// The user and group mappings of idmapped mounts \[Linux 6.15\]. mountinfo lacks them.
        const IDMAP = 0x100;

        /// All fields of mountinfo.
        const MOUNTINFO = 0x7f;
        /// The columns of a listing: target, source, type, options.
        const LIST = 0x3c;
    }
}

impl Fields {
    /// Returns the `STATMOUNT_*` mask that requests these fields.
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

/// The interface that reads the mount table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TableStrategy {
    /// The faster of the interfaces that provide the requested fields, judged by the fields and the
    /// mounts.
    #[default]
    Auto,
    /// listmount(2) and statmount(2) \[Linux 6.8; sources and types like `fuse.sshfs` 6.13\].
    Statmount,
    /// `/proc/PID/mountinfo`: proc_pid_mountinfo(5).
    Mountinfo,
}

impl TableStrategy {
    /// Reports whether the interface works here: the kernel has the calls and no seccomp filter
    /// forbids them, or /proc is mounted. It does not check which fields the interface provides.
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
