// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The report of `doctor`: what the kernel, the process and its sandbox allow.

pub(crate) mod check;
pub(crate) mod devices;
pub(crate) mod kernel;
pub(crate) mod process;
pub(crate) mod report;
pub(crate) mod text;
