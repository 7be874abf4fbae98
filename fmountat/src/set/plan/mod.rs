// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Plans a set: each step, in order, checked before any system call.

pub(crate) mod step;
pub(crate) mod restriction;
pub(crate) mod nodes;
pub(crate) mod helpers;
pub(crate) mod plan;

pub use plan::Plan;
