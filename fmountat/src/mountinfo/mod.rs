// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads and parses `/proc/PID/mountinfo`.
#![forbid(unsafe_code)]

pub(crate) mod id;
pub(crate) mod record;
pub(crate) mod parse;
pub(crate) mod read;
pub(crate) mod entry;

pub(crate) use entry::deepest_first;
pub use entry::{MountEntry, parse, read};
pub use id::MountinfoId;
