// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is mounted: the table, who uses it, and taking mounts away.
#![forbid(unsafe_code)]

pub(crate) mod by_mountinfo;
pub(crate) mod by_statmount;
mod choose;
pub(crate) mod diff;
pub(crate) mod entry;
pub(crate) mod fdinfo;
pub(crate) mod fields;
pub(crate) mod find;
pub(crate) mod holders;
pub(crate) mod inside;
mod links;
mod located;
pub mod mountinfo;
pub(crate) mod place;
pub(crate) mod published;
pub(crate) mod reader;
pub(crate) mod record;
pub(crate) mod snapshot;
pub(crate) mod unmount;
pub(crate) mod watch;
