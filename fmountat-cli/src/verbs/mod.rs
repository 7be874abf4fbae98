// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One file for each verb, and `common` for all.

pub(crate) mod common;
pub(crate) mod mount_request;
pub(crate) mod mount;
pub(crate) mod apply;
pub(crate) mod explain;
pub(crate) mod umount;
pub(crate) mod list;
pub(crate) mod find;
pub(crate) mod watch;
pub(crate) mod changes;
pub(crate) mod clean;
pub(crate) mod doctor;

pub(crate) use common::{read_file, read_spec, start_directory};
