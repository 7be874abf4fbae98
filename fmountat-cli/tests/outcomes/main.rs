// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs many command lines in the same fresh state and compares mounts, errors and predictions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod breaks;
mod errors;
mod explain;
mod like_engines;
mod like_mount;
mod like_runc;
#[path = "../common/fixture.rs"]
mod fixture;

fmountat_testing::test_files! {
    breaks, errors, explain, like_engines, like_mount, like_runc,
}
