// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A list of mounts: parsed, planned, built detached, and published on a target.
#![forbid(unsafe_code)]

pub(crate) mod options;
pub(crate) mod spec;
pub(crate) mod plan;
pub(crate) mod journal;
pub(crate) mod build;
pub(crate) mod publish;
pub(crate) mod remount;
pub(crate) mod temp;
#[cfg(feature = "diagnosis")]
pub(crate) mod explain;

/// Exports private parsers to the fuzzers.
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz {
    pub(crate) use crate::set::journal::recover::{begun_here, written};
    pub(crate) use crate::set::options::lexer::{size, split, unquote};
    pub(crate) use crate::set::spec::cgroup::groups;
}
