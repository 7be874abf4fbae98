// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command's verbs, its output, exit statuses and completions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bundle;
mod command;
mod completions;
mod doctor;
mod flags;
mod json;
mod pinned;
mod readme;
mod reasons;
mod run;
mod table;
mod waits;

fmountat_testing::test_files! {
    bundle, command, completions, doctor, flags, json, pinned, readme, reasons, run, table, waits,
}
