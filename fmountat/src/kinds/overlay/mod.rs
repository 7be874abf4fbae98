// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Overlay mounts with up to the kernel's 500 layers, each opened by descriptor.

pub(crate) mod common;
pub(crate) mod definition;
pub(crate) mod without_upper;
pub(crate) mod options;
pub(crate) mod layer_files;
pub(crate) mod params;
pub(crate) mod layers;
pub(crate) mod ephemeral_uppers;
pub(crate) mod in_use;
pub(crate) mod conflict;
pub(crate) mod check;
pub(crate) mod in_views;
pub(crate) mod by_mount;
pub(crate) mod in_copied_namespace;
pub(crate) mod mount;

pub use common::common_directory;
pub use definition::{Layer, OVERLAY_LAYERS_MAX, Overlay};
