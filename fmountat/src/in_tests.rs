// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Helpers of the unit tests.

use std::io::Write;

/// Reports that this kernel lacks what the test needs. Writes past the test harness, which hides
/// the output of tests that pass. `.ci/kernels` counts the test as unsupported.
///
/// # Panics
/// Where `FMOUNTAT_NO_SKIP` is set.
pub(crate) fn unsupported(why: &str) {
    assert!(std::env::var_os("FMOUNTAT_NO_SKIP").is_none(), "unsupported: {why}");
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("?");
    let _ = std::io::stderr().write_all(format!("unsupported: {name}: {why}\n").as_bytes());
}
