// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finds the holders of a mount.

pub(crate) mod numbers;
pub(crate) mod copies;
pub(crate) mod sought;
pub(crate) mod process;
pub(crate) mod find;

pub use find::holders;
