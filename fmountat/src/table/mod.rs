// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Snapshots of the mount table, the processes that hold mounts, and unmounting.
#![forbid(unsafe_code)]

pub(crate) mod count;
pub(crate) mod namespace;
pub(crate) mod fields;
pub(crate) mod links;
pub(crate) mod snapshot;
pub(crate) mod by_mountinfo;
pub(crate) mod by_statmount;
pub(crate) mod choose;
pub(crate) mod reader;
pub(crate) mod diff;
pub(crate) mod fdinfo;
pub(crate) mod published;
pub(crate) mod located;
pub(crate) mod inside;
pub(crate) mod find;
pub(crate) mod holders;
pub(crate) mod unmount;
pub(crate) mod watch;

pub use diff::Change;
pub use fields::{Fields, TableStrategy};
pub use find::{find, is_mount_point};
pub use holders::holders;
pub use reader::TableReader;
pub use snapshot::{Table, TableEntry};
pub use watch::{MountAction, MountEvent, Watch};
