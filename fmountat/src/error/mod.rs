// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The one error type, its kinds and its text.
#![forbid(unsafe_code)]

pub(crate) mod text;
pub(crate) mod holder;
pub(crate) mod kind;
pub(crate) mod error;

pub use error::{Error, Result};
pub use holder::{Holder, HolderKind};
pub use kind::ErrorKind;
pub use text::{escape, escape_whole};
