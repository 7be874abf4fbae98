// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mount helpers: the programs `mount.fuse3` and `mount.TYPE`.

pub(crate) mod option;
pub(crate) mod run;
pub(crate) mod target;
pub(crate) mod helper;

pub use helper::{HELPER_LIMIT, Helper};
