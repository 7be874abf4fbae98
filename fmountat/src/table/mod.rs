// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is mounted: the table, who uses it, and taking mounts away.
#![forbid(unsafe_code)]

mod fdinfo;
pub(crate) mod find;
pub(crate) mod holders;
mod located;
pub mod mountinfo;
pub(crate) mod published;
pub(crate) mod unmount;
