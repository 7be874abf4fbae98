// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What will be done, in order.

pub(crate) mod step;
pub(crate) mod restriction;
pub(crate) mod nodes;
pub(crate) mod helpers;
pub(crate) mod plan;

pub use plan::Plan;
