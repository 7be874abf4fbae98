// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Chooses the faster interface for the requested fields and the existing mounts.
//!
//! The choice is based on measurements (docs/measured/benchmarks.md): a line of mountinfo costs 1.9
//! us, a mount by statmount(2) 1.2 us without strings, 3 us and more with them. mountinfo is
//! therefore faster, unless its lines contain something costly that was not requested.

use crate::sys::listmount::next_mount;
use crate::sys::statmount::{
    FS_SUBTYPE, FS_TYPE, MNT_BASIC, MNT_OPTS, MNT_POINT, MNT_ROOT, SB_BASIC, SB_SOURCE, StatBuffer,
};
use crate::table::fields::Fields;
use std::time::Duration;

/// Pairs of (bytes of mountinfo read, mounts to sample then). A table that ends earlier is already
/// read.
pub(crate) const STEPS: [(usize, u64); 2] = [(4 << 10, 2), (32 << 10, 6)];

/// A line that takes longer is cheaper by statmount(2). An overlay of 20 layers takes 12 us.
pub(crate) const SLOW: Duration = Duration::from_micros(40);

/// Reports whether statmount(2) is faster for these fields with any mounts, or the only interface
/// that has them.
pub(crate) fn is_for_statmount(fields: Fields) -> bool {
    const STRINGS: u64 = FS_SUBTYPE | FS_TYPE | MNT_OPTS | MNT_POINT | MNT_ROOT | SB_SOURCE;
    fields.intersects(Fields::UNIQUE_ID | Fields::IDMAP) || fields.mask() & STRINGS == 0
}

/// Samples mounts to estimate the cost of a mountinfo line. Costly mounts are slaves, for which
/// mountinfo walks all peers of the master, and overlays whose options were not requested.
#[derive(Debug)]
pub(crate) struct Probe<'a> {
    pub(crate) fields: Fields,
    pub(crate) namespace: u64,
    pub(crate) buffer: &'a mut StatBuffer,
}

impl Probe<'_> {
    /// Reports whether the newest mount is costly and at least a third of eight others too.
    pub(crate) fn newest_is_costly(&mut self) -> bool {
        let newest = next_mount(self.namespace, 0, true);
        newest.is_ok_and(|id| self.is_costly(id)) && self.some_are_costly(8)
    }

    /// Reports whether at least a third of `samples` mounts are costly. Takes them evenly by age.
    pub(crate) fn some_are_costly(&mut self, samples: u64) -> bool {
        let ends = (next_mount(self.namespace, 0, false), next_mount(self.namespace, 0, true));
        let (Ok(first), Ok(last)) = ends else { return false };
        let step = last.saturating_sub(first) / (samples + 1);
        let ages = (1..=samples).map(|n| first + n * step);
        let costly =
            ages.filter(|age| next_mount(self.namespace, *age, false).is_ok_and(|id| self.is_costly(id)));
        costly.count() as u64 * 3 >= samples
    }

    fn is_costly(&mut self, id: u64) -> bool {
        const OVERLAYFS_SUPER_MAGIC: u64 = 0x794c_7630;
        let Ok(stat) = self.buffer.ask(id, SB_BASIC | MNT_BASIC, self.namespace) else { return false };
        (stat.raw.mnt_master != 0 && !self.fields.contains(Fields::PROPAGATE_FROM))
            || (stat.raw.sb_magic == OVERLAYFS_SUPER_MAGIC && !self.fields.contains(Fields::SUPER_OPTIONS))
    }
}
