// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Descriptors as types: mount(2) from a directory, the file-system context, detached trees, targets, features.
#![forbid(unsafe_code)]

pub(crate) mod apart;
pub(crate) mod attr;
pub(crate) mod bytes;
pub(crate) mod context;
pub(crate) mod cwd;
pub(crate) mod feature_table;
pub(crate) mod features;
pub(crate) mod flags;
pub(crate) mod hidden;
pub(crate) mod identity;
pub(crate) mod idmap;
pub(crate) mod landed;
pub(crate) mod made;
pub(crate) mod namespace;
pub(crate) mod other;
pub(crate) mod privilege;
pub(crate) mod staging;
pub(crate) mod swap;
pub(crate) mod target;
pub(crate) mod tree;
mod worker;
