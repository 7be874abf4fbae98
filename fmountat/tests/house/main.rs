// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The rules of the source files, and the pages that are made from the code. By the standard harness: nothing is mounted.

mod docs;
mod feature_page;
mod floors;
mod house;
mod public_api;
mod words;
