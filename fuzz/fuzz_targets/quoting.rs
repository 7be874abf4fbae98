// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Any bytes for `fmountat::fuzzing::quoting`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fmountat::fuzzing::quoting(data));
