// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Throw-away roots, for `run`.

pub(crate) mod layout;
pub(crate) mod host_root;
pub(crate) mod root;

pub use layout::NotCovered;
