// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One room for each kind of mount; each makes a finished, detached [`Tree`](crate::Tree).
#![forbid(unsafe_code)]

pub(crate) mod bind;
pub(crate) mod crowd;
mod device_path;
pub(crate) mod filesystem;
pub(crate) mod helper;
pub(crate) mod image;
pub(crate) mod loopdev;
mod magic;
pub(crate) mod overlay;
pub(crate) mod store;
