// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One module per kind of mount; each makes a complete, detached [`Tree`](crate::Tree).
#![forbid(unsafe_code)]

pub(crate) mod device_path;
pub(crate) mod magic;
pub(crate) mod filesystem;
pub(crate) mod kept_options;
pub(crate) mod loop_options;
pub(crate) mod loop_shared;
pub(crate) mod loopdev;
pub(crate) mod image_error;
pub(crate) mod image;
pub(crate) mod bind;
pub(crate) mod overlay;
pub(crate) mod helper;
pub(crate) mod tried;
