// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Option lists: the option table and the parser.

pub(crate) mod lexer;
pub(crate) mod definition;
pub(crate) mod table;
pub(crate) mod suggest;
pub(crate) mod options;
pub(crate) mod values;
pub(crate) mod parse;
pub(crate) mod for_helper;

pub use definition::{Places, UserspaceOption, Value};
pub use options::{LoopOverrides, Mkdir, Options};
pub use table::userspace_options;
