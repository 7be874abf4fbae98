// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Any bytes for `fmountat::fuzzing::journal`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fmountat::fuzzing::journal(data));
