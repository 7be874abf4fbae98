// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What this machine and this process let mounting do.

pub(crate) mod finding;
pub(crate) mod devices;
pub(crate) mod kernel;
pub(crate) mod process;
pub(crate) mod report;
pub(crate) mod text;
