// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Watches mounts being attached, detached and moved.

pub(crate) mod event;
pub(crate) mod state;
pub(crate) mod watch;

pub use event::{MountAction, MountEvent};
pub use watch::Watch;
