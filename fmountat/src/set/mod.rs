// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A list of mounts: text → [`Mount`](mount::Mount) → [`Plan`](plan::Plan) → [`Tree`](crate::Tree) → attached.
#![forbid(unsafe_code)]

pub(crate) mod apply;
mod builder;
mod cgroup;
#[cfg(any(feature = "containerd-shim-protos", feature = "oci-spec"))]
mod convert;
mod cover;
mod done;
pub(crate) mod engine;
pub(crate) mod explain;
mod fields;
mod helper_words;
mod json;
mod machine;
pub(crate) mod mount;
pub(crate) mod mounter;
pub(crate) mod notes;
mod oci;
pub(crate) mod options;
mod piece;
pub(crate) mod plan;
pub(crate) mod publish;
pub(crate) mod remount;
pub(crate) mod spec;
mod split;
mod stepwise;
pub(crate) mod swap;
pub(crate) mod temp;
pub(crate) mod throwaway;
pub(crate) mod unmatched;
pub(crate) mod view;
mod why;
mod word_table;
pub(crate) mod words;

use crate::vfs::flags;

/// For the fuzzers.
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz {
    pub(crate) use super::cgroup::groups;
    pub(crate) use super::notes::{begun_here, written};
    pub(crate) use super::split::{size, split, unquote};
}
