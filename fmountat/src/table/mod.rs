// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is mounted: the table, and taking mounts away.
#![forbid(unsafe_code)]

pub(crate) mod find;
pub mod mountinfo;
pub(crate) mod unmount;
