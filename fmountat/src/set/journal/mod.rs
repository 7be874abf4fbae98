// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The journal of sets that are mounted step by step, for recovery after `kill -9`.

pub(crate) mod directory;
pub(crate) mod record;
pub(crate) mod journal;
pub(crate) mod recover;

pub use journal::Journal;
pub use recover::Recovered;
