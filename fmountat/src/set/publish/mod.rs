// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Publishes a built set: in one step or step by step, on a target or in place of another set.

pub(crate) mod applied;
pub(crate) mod rollback;
pub(crate) mod stepwise;
pub(crate) mod apply;
pub(crate) mod mounted_root;
pub(crate) mod replace;
pub(crate) mod replace_diff;

pub use applied::Applied;
pub use replace_diff::ReplaceDiff;
