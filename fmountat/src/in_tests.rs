// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the unit tests share.

use std::io::Write;

/// Says that this test can't be held on this kernel: past the harness, which keeps what a passed test prints to itself, so that
/// `.ci/kernels` does not count it as passed.
pub(crate) fn unsupported(why: &str) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("?");
    let _ = std::io::stderr().write_all(format!("unsupported: {name}: {why}\n").as_bytes());
}
