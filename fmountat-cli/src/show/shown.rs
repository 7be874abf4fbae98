// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A mount to be shown.

use fmountat::mountinfo::MountEntry;

/// A mount to be shown, with the place of its parent among those that are shown.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) entry: MountEntry,
    pub(crate) parent: Option<usize>,
}
