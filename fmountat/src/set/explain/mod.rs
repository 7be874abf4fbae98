// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Predicts the result of applying a plan, without changing anything.

pub(crate) mod report;
pub(crate) mod virtual_tree;
pub(crate) mod id_map;
pub(crate) mod describe;
pub(crate) mod images;
pub(crate) mod inspect;
pub(crate) mod walk;
pub(crate) mod text;
pub(crate) mod explain;

pub use report::{ExplainedStep, Explanation, Needed};
