// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The test harness of fmountat: each case runs in a process and a mount namespace of its own.
//!
//! A test file has `harness = false` in its `Cargo.toml` and is written as
//! ```no_run
//! use fmountat_testing::{mkdirs, scratch};
//!
//! fmountat_testing::tests! {
//!     /// What it shows.
//!     fn a_case_for_everybody() needs [] { mkdirs(&scratch(), &["lower", "upper/a"]); }
//!     fn with_a_real_image() needs [Root, Tool("mkfs.erofs"), Filesystem("erofs")] {}
//! }
//! ```
//! A body fails by panicking. It may mount what it likes and need not unmount, save what holds a loop device. When it
//! returns, everything else must be as before: descriptors, threads, children, cwd, umask ([`Snapshot`]).
//!
//! Of what a passing case prints only lines that begin with `counted: ` are shown.
//!
//! | variable | meaning |
//! |---|---|
//! | `FMOUNTAT_NO_SKIP` | a case whose needs are not met fails, in place of being skipped |
//! | `FMOUNTAT_TEST_SECONDS` | the time that one case may take; 120 without it |
//! | `FMOUNTAT_PROOF` | `full`: as many rounds as the guarantees are stated with, which takes minutes: see [`times`] |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod files;
pub mod filter;
mod forked;
mod inside;
mod mounts;
mod namespace;
mod need;
mod raw;
mod run;
mod scratch;
mod snapshot;
mod stop;

pub use files::{binary, command_output, copy_from_package, mkdirs, read, scratch, write};
pub use forked::{Forked, Stop};
pub use mounts::{MountLine, mount_flags, mount_table, mounts_below};
pub use namespace::in_own_namespace;
pub use need::{Need, is_real_root};
pub use run::{INSIDE, run};
pub use snapshot::{Snapshot, loop_devices};

/// How many rounds of something to run: `full` of them where `FMOUNTAT_PROOF=full`, else `usual`.
#[must_use]
pub fn times(usual: usize, full: usize) -> usize {
    if std::env::var_os("FMOUNTAT_PROOF").is_some_and(|word| word == "full") { full } else { usual }
}

/// One test: what [`tests!`] makes of a function.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The name of the function.
    pub name: &'static str,
    /// What the machine must offer for it to run.
    pub needs: &'static [Need],
    /// The test itself.
    pub body: fn(),
}

/// Turns functions, each with a list of [`Need`]s, into the `main` of a test file.
#[macro_export]
macro_rules! tests {
    ($( $(#[$attribute:meta])* fn $name:ident() needs [$($need:expr),* $(,)?] $body:block )*) => {
        $( $(#[$attribute])* fn $name() $body )*

        fn main() -> ::std::process::ExitCode {
            #[allow(unused_imports)]
            use $crate::Need::*;
            const CASES: &[$crate::Case] = &[
                $( $crate::Case { name: stringify!($name), needs: &[$($need),*], body: $name } ),*
            ];
            $crate::run(CASES)
        }
    };
}
