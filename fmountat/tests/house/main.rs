// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for the source files, and the pages that are generated from the code. They run in the
//! standard harness: nothing is mounted.

mod docs;
mod feature_page;
mod floors;
mod house;
mod public_api;
mod words;
