// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The feature `diagnosis`: finds causes of a failure that the kernel did not report.
//!
//! These functions run only after a failure, or to predict one. They change nothing. If a check
//! fails, the error is returned unchanged.
#![forbid(unsafe_code)]

pub(crate) mod spelling;
pub(crate) mod parameters;
pub(crate) mod filesystems;
pub(crate) mod limits;
pub(crate) mod credentials;
pub(crate) mod paths;
pub(crate) mod general;
pub(crate) mod overlay;
pub(crate) mod step;

pub(crate) use general::pivot;
pub use general::{diagnose, diagnose_at};
pub(crate) use step::{spelled, step};
