// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The test harness of fmountat: each case runs in its own process and mount namespace.
//!
//! A test binary has `harness = false` in `Cargo.toml`. With a single file it is written as
//! ```no_run
//! use fmountat_testing::{mkdirs, scratch};
//!
//! fmountat_testing::tests! {
//!     /// Shows how a case is written.
//!     fn a_case_for_everybody() needs [] { mkdirs(&scratch(), &["lower", "upper/a"]); }
//!     fn with_a_real_image() needs [Root, Tool("mkfs.erofs"), Filesystem("erofs")] {}
//! }
//! ```
//! Several files are linked into one binary, to save link time: each has [`cases!`] in place of
//! `tests!`, and `main.rs` lists them in [`test_files!`]. `cargo test --test sets swap::` then runs
//! the cases of the file `swap.rs`.
//!
//! A body fails by a panic. It need not unmount what it mounts, except mounts that hold a loop
//! device. When it returns, the descriptors, threads, children, cwd and umask of the process must
//! be as before ([`Snapshot`]).
//!
//! A case may end as **unsupported** only if it declares that: by a [`Need::Kernel`] or
//! [`Need::Statmount`] that this kernel, or the filter, does not meet (then it does not run), or by
//! a call of [`unsupported`]. An undeclared error of kind `Unsupported` is a failure like any
//! other. [`skip`] is for features that the machine lacks. Both print a line `unsupported: NAME:
//! WHY` or `skipped: NAME: WHY` and count as ignored.
//!
//! Of the output of a passing case, only lines that begin with `counted: ` are shown.
//!
//! | variable | meaning |
//! |---|---|
//! | `FMOUNTAT_NO_SKIP` | a case that would be skipped or unsupported fails |
//! | `FMOUNTAT_EMULATED` | the processor is emulated: cases that measure time are skipped |
//! | `FMOUNTAT_RESULTS` | a file to which a line is appended for each case: `case NAME OUTCOME SECONDS WHY` |
//! | `FMOUNTAT_FILTER` | each case, and everything it starts, runs under this filter: `pidfd-enosys` and others, see `profile.rs` |
//! | `FMOUNTAT_TEST_SECONDS` | the time limit of one case in seconds; default 300 |
//! | `FMOUNTAT_PROOF` | `full`: the number of rounds in docs/guarantees.md, which takes minutes; `short`: an eighth of the usual number, for emulated machines; see [`times`] |
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

/// Returns the number of rounds to run: `full` with `FMOUNTAT_PROOF=full`, an eighth of `usual`
/// with `short`, else `usual`.
#[must_use]
pub fn times(usual: usize, full: usize) -> usize {
    match std::env::var("FMOUNTAT_PROOF").as_deref() {
        Ok("full") => full,
        Ok("short") => usual.div_ceil(8),
        _ => usual,
    }
}

/// Returns a time limit: twenty times `time` if the processor is emulated.
#[must_use]
pub fn slower(time: std::time::Duration) -> std::time::Duration {
    time * if std::env::var_os("FMOUNTAT_EMULATED").is_some() { 20 } else { 1 }
}

/// Describes one test; [`cases!`] makes one of each function.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The name of the function; [`run_files`] puts `FILE::` before it.
    pub name: &'static str,
    /// The requirements on the machine and kernel.
    pub needs: &'static [Need],
    /// The test itself.
    pub body: fn(),
}

/// Defines the constant `CASES` of one file of a test binary from functions, each with a list of
/// [`Need`]s.
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

/// Defines a test binary of one file from functions, as [`cases!`] does.
#[macro_export]
macro_rules! tests {
    ($($cases:tt)*) => {
        $crate::cases! { $($cases)* }

        fn main() -> ::std::process::ExitCode {
            $crate::run(CASES)
        }
    };
}

/// Defines the `main` of a test binary of several files, each a module with [`cases!`]. A case is
/// named `FILE::CASE`.
#[macro_export]
macro_rules! test_files {
    ($($file:ident),* $(,)?) => {
        fn main() -> ::std::process::ExitCode {
            $crate::run_files(&[$( (stringify!($file), $file::CASES) ),*])
        }
    };
}
