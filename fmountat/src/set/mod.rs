// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A list of mounts: text → [`Mount`](mount::Mount) → [`Plan`](plan::Plan) → [`Tree`](crate::Tree) → attached.
#![forbid(unsafe_code)]

pub(crate) mod apply;
mod machine;
pub(crate) mod mount;
pub(crate) mod mounter;
pub(crate) mod options;
pub(crate) mod plan;
pub(crate) mod remount;
pub(crate) mod throwaway;
pub(crate) mod view;
mod words;
