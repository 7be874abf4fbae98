// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Builds a plan as a detached set, which no other process sees.

pub(crate) mod failure;
pub(crate) mod mounter;
pub(crate) mod decide;
pub(crate) mod own_namespace;
pub(crate) mod step_mount;
pub(crate) mod covered;
pub(crate) mod source_in_set;
pub(crate) mod new_mounts;
pub(crate) mod late_mount;
pub(crate) mod nodes;
pub(crate) mod restrict;
pub(crate) mod stack;
pub(crate) mod detached_set;
pub(crate) mod attach;
pub(crate) mod assemble;

pub use detached_set::DetachedSet;
pub use mounter::Mounter;
