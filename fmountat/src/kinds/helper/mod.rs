// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mount helpers: `mount.fuse3` and `mount.TYPE`, which mount by themselves.

pub(crate) mod run;
pub(crate) mod place;
pub(crate) mod helper;

pub use helper::{HELPER_LIMIT, Helper};
