// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The feature `diagnosis`: finds after a failure what the kernel did not report. Nothing here is
//! called without a failure, except to predict one; nothing here changes anything; a check that
//! fails leaves the error as it was.
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

pub use general::diagnose;
pub(crate) use general::pivot;
pub(crate) use step::{spelled, step};
