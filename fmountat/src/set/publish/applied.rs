// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Applied`: the result of applying a plan.

use crate::mountinfo::id::MountId;
use crate::strategy::Strategy;
use crate::table::published::PublishedSet;

/// A plan that is mounted on its target.
#[derive(Debug)]
#[non_exhaustive]
pub struct Applied {
    /// The mount that is visible at the target. For a plan without a root, the mount of its first
    /// step.
    pub id: MountId,
    /// All mounts of the plan, to be unmounted as one:
    /// [`Unmount::run_set`](crate::table::unmount::request::Unmount::run_set). `None` before Linux
    /// 6.8, and for mounts that were attached one by one in a mount that already existed.
    pub set: Option<PublishedSet>,
    /// The numbers of the mounts that were left out: their source is missing and they have the
    /// option `nofail`.
    pub left_out: Vec<usize>,
    /// The strategy that was used.
    pub strategy: Strategy,
}
