// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Prints mounts in columns, as a tree, fitted to the terminal, or as JSON.

pub(crate) mod options;
pub(crate) mod columns;
pub(crate) mod terminal;
pub(crate) mod grid;
pub(crate) mod show;

pub(crate) use grid::Shown;
pub(crate) use show::*;
