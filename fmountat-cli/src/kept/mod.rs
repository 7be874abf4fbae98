// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The changes that `run --keep DIR` keeps, and what they are: `changes`.

pub(crate) mod index;
pub(crate) mod compare;
