// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The result of applying a plan.

use crate::mountinfo::id::MountId;
use crate::strategy::Strategy;
use crate::table::published::PublishedSet;

/// A plan that is in its place.
#[derive(Debug)]
#[non_exhaustive]
pub struct Applied {
    /// The mount that is seen at the target; for a plan without a root, that of its first mount.
    pub id: MountId,
    /// All its mounts, to be unmounted as one: [`Unmount::run_set`](crate::table::unmount::request::Unmount::run_set). None before Linux 6.8, and for
    /// mounts that were put into a mount that was there, one by one.
    pub set: Option<PublishedSet>,
    /// The numbers of mounts that were left out, because their source is missing and they say `nofail`.
    pub left_out: Vec<usize>,
    /// The way that was taken.
    pub strategy: Strategy,
}
