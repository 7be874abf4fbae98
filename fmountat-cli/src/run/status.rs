// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The exit status of `run` itself.

/// The exit status for our own failure before the command ran, as env(1) and timeout(1) have it.
pub(crate) const OWN_FAILURE: u8 = 125;
