// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mounts as people and programs read them: columns, a tree, a grid that fits the terminal, JSON.

pub(crate) mod options;
pub(crate) mod columns;
pub(crate) mod terminal;
pub(crate) mod grid;
pub(crate) mod show;

pub(crate) use grid::Shown;
pub(crate) use show::*;
