// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The exit status of `run` for its own failures.

/// The exit status if `fmountat` fails before the command runs, as in env(1) and timeout(1).
pub(crate) const OWN_FAILURE: u8 = 125;
