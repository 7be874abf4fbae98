// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The test harness of fmountat: each case runs in a process and a mount namespace of its own.
//!
//! A test binary has `harness = false` in its `Cargo.toml`. One of a single file is written as
//! ```no_run
//! use fmountat_testing::{mkdirs, scratch};
//!
//! fmountat_testing::tests! {
//!     /// What it shows.
//!     fn a_case_for_everybody() needs [] { mkdirs(&scratch(), &["lower", "upper/a"]); }
//!     fn with_a_real_image() needs [Root, Tool("mkfs.erofs"), Filesystem("erofs")] {}
//! }
//! ```
//! Several files are linked into one binary, which saves the time that linking takes: each has [`cases!`] in place of `tests!`, and
//! `main.rs` lists them in [`test_files!`]. `cargo test --test sets swap::` then runs the cases of the file `swap.rs`.
//!
//! A body fails by panicking. It may mount what it likes and need not unmount, save what holds a loop device. When it
//! returns, everything else must be as before: descriptors, threads, children, cwd, umask ([`Snapshot`]).
//!
//! A case may end as **unsupported** only if it declares so: by a [`Need::Kernel`] or [`Need::Statmount`] that this kernel, or the
//! filter, does not meet (then it does not run), or by a call of [`unsupported`]. An error of kind `Unsupported` that no case
//! has declared is a failure like any other. [`skip`] is for what the machine lacks. Both print a line `unsupported: NAME: WHY`
//! or `skipped: NAME: WHY` and count as ignored.
//!
//! Of what a passing case prints only lines that begin with `counted: ` are shown.
//!
//! | variable | meaning |
//! |---|---|
//! | `FMOUNTAT_NO_SKIP` | a case that would be skipped or unsupported fails |
//! | `FMOUNTAT_EMULATED` | the processor is emulated: cases that measure time are skipped |
//! | `FMOUNTAT_RESULTS` | a file that gets a line for each case: `case NAME OUTCOME SECONDS WHY` |
//! | `FMOUNTAT_FILTER` | each case, and all that it starts, is under this filter: `pidfd-enosys` and others, see `profile.rs` |
//! | `FMOUNTAT_TEST_SECONDS` | the time that one case may take; 300 without it |
//! | `FMOUNTAT_PROOF` | `full`: as many rounds as the guarantees are stated with, which takes minutes; `short`: an eighth of the usual, for emulated machines: see [`times`] |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod early;
mod events;
mod files;
pub mod filter;
mod forked;
mod inside;
mod mounts;
mod namespace;
mod need;
mod profile;
mod raw;
mod report;
mod run;
mod scratch;
mod snapshot;
mod stop;

pub use early::{skip, unsupported};
pub use events::events_of;
pub use files::{binary, command_output, copy_from_package, mkdirs, read, scratch, write};
pub use forked::{Forked, Stop};
pub use mounts::{MountLine, mount_flags, mount_table, mounts_below};
pub use namespace::{in_own_namespace, own_devices, own_root};
pub use need::{Need, is_real_root, kernel_release};
pub use raw::own_descriptors;
pub use run::{INSIDE, run, run_files};
pub use snapshot::{Snapshot, loop_devices};

/// How many rounds of something to run: `full` of them where `FMOUNTAT_PROOF=full`, else `usual`.
#[must_use]
pub fn times(usual: usize, full: usize) -> usize {
    match std::env::var("FMOUNTAT_PROOF").as_deref() {
        Ok("full") => full,
        Ok("short") => usual.div_ceil(8),
        _ => usual,
    }
}

/// A time that something may take: twenty times as long where the processor is emulated.
#[must_use]
pub fn slower(time: std::time::Duration) -> std::time::Duration {
    time * if std::env::var_os("FMOUNTAT_EMULATED").is_some() { 20 } else { 1 }
}

/// One test: what [`cases!`] makes of a function.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The name of the function; [`run_files`] puts `FILE::` before it.
    pub name: &'static str,
    /// What the machine must offer for it to run.
    pub needs: &'static [Need],
    /// The test itself.
    pub body: fn(),
}

/// Turns functions, each with a list of [`Need`]s, into the constant `CASES` of one file of a test binary.
#[macro_export]
macro_rules! cases {
    ($( $(#[$attribute:meta])* fn $name:ident() needs [$($need:expr),* $(,)?] $body:block )*) => {
        $( $(#[$attribute])* fn $name() $body )*

        pub(crate) const CASES: &[$crate::Case] = {
            #[allow(unused_imports)]
            use $crate::Need::*;
            &[$( $crate::Case { name: stringify!($name), needs: &[$($need),*], body: $name } ),*]
        };
    };
}

/// Turns functions, as [`cases!`] does, into a test binary of one file.
#[macro_export]
macro_rules! tests {
    ($($cases:tt)*) => {
        $crate::cases! { $($cases)* }

        fn main() -> ::std::process::ExitCode {
            $crate::run(CASES)
        }
    };
}

/// Defines the `main` of a test binary of several files, each a module with [`cases!`]. A case is named `FILE::CASE`.
#[macro_export]
macro_rules! test_files {
    ($($file:ident),* $(,)?) => {
        fn main() -> ::std::process::ExitCode {
            $crate::run_files(&[$( (stringify!($file), $file::CASES) ),*])
        }
    };
}
