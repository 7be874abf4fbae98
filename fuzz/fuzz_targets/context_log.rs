// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Any bytes for `fmountat::fuzzing::context_log`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fmountat::fuzzing::context_log(data));
