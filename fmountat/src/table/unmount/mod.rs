// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Unmounts by path, by id, as a tree, or as a set.

pub(crate) mod request;
pub(crate) mod errors;
pub(crate) mod place;
pub(crate) mod busy;
pub(crate) mod fuse;
pub(crate) mod call;
pub(crate) mod tree;
pub(crate) mod batch;
pub(crate) mod set;
pub(crate) mod run;

pub use request::Unmount;
