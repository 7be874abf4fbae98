// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The error type, its kinds and its text.
#![forbid(unsafe_code)]

pub(crate) mod text;
pub(crate) mod syscall;
pub(crate) mod operation;
pub(crate) mod holder;
pub(crate) mod kind;
pub(crate) mod error_type;
pub(crate) mod display;
pub(crate) mod errors;
pub(crate) mod failed;

pub use error_type::{Error, Result};
pub use errors::Errors;
pub use failed::Failed;
pub(crate) use failed::or_give_back;
pub use holder::{Holder, HolderKind};
pub use kind::ErrorKind;
pub use operation::{LayerRef, Operation, PlanStep};
pub use syscall::Syscall;
pub(crate) use syscall::WOULD_BE_FIRST;
pub(crate) use text::escape;
