// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs a program under a subreaper that no wait(2) of the caller sees.

pub(crate) mod job;
pub(crate) mod subreaper;
pub(crate) mod spawn;
