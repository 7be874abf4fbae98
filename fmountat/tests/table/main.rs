// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The mount table: reading it, watching it, and unmounting what it lists.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod snapshot;
mod unmount;
mod watch;

fmountat_testing::test_files! {
    snapshot, unmount, watch,
}
