// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests many operations at once or in a row. These cases keep the processors busy: no other file
//! runs beside them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod attack;
mod churn;
#[path = "../common/mod.rs"]
mod common;
mod child_mounts;
mod endurance;
mod unseen;

fmountat_testing::test_files! {
    attack, churn, child_mounts, endurance, unseen,
}
