// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a built set to one that is seen: in one step, or step by step; in place of another.

pub(crate) mod applied;
pub(crate) mod rollback;
pub(crate) mod stepwise;
pub(crate) mod apply;
pub(crate) mod mounted_root;
pub(crate) mod replace;
pub(crate) mod replace_diff;

pub use applied::Applied;
pub use replace_diff::ReplaceDiff;
