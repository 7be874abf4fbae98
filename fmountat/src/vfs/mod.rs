// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Descriptors as types: mount(2) from a directory, the file-system context, detached trees, targets, features.
#![forbid(unsafe_code)]

pub mod attr;
pub mod bytes;
pub mod context;
pub mod cwd;
pub mod features;
pub mod identity;
pub mod target;
pub mod tree;
mod worker;
