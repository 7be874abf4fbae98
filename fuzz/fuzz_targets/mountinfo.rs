// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Fuzzes `fmountat::fuzzing::mount_table` with arbitrary bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fmountat::fuzzing::mount_table(data));
