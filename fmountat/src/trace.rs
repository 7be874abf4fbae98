// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Spans and events for the `tracing` crate. Without the cargo feature `tracing` every function
//! here is empty.
//!
//! Do not call them in a child process: a subscriber allocates and takes locks, which another
//! thread may have held at the fork.
#![cfg_attr(not(feature = "tracing"), allow(unused))]

use crate::error::text::{errno_name, escape};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::path::Path;

macro_rules! event {
    ($level:ident, $($fields:tt)+) => {
        #[cfg(feature = "tracing")]
        tracing::event!(target: "fmountat", tracing::Level::$level, $($fields)+);
    };
}

macro_rules! span {
    ($name:literal, $($fields:tt)+) => {
        Span {
            #[cfg(feature = "tracing")]
            _entered: tracing::debug_span!(target: "fmountat", $name, $($fields)+).entered(),
        }
    };
}

/// A span that lasts until it is dropped.
pub(crate) struct Span {
    #[cfg(feature = "tracing")]
    _entered: tracing::span::EnteredSpan,
}

/// Opens the span of a plan with this number of mounts.
pub(crate) fn apply(mount_point: &Path, mounts: usize) -> Span {
    span!("apply", mount_point = %shown(mount_point), mounts)
}

/// Opens the span of the work for one mount of a plan.
pub(crate) fn step(mount: usize, mount_point: &Path, fstype: &OsStr) -> Span {
    span!("step", mount, mount_point = %shown(mount_point), fstype = %escape(fstype.as_encoded_bytes()))
}

/// Wraps work for another thread, so that its events belong to the span and subscriber of the
/// calling thread.
#[cfg(feature = "tracing")]
pub(crate) fn in_this_span<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let (span, dispatch) = (tracing::Span::current(), tracing::dispatcher::get_default(Clone::clone));
    move || tracing::dispatcher::with_default(&dispatch, || span.in_scope(work))
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn in_this_span<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    work
}

/// Records the strategy that an operation uses.
pub(crate) fn strategy(operation: &'static str, strategy: &'static str) {
    event!(DEBUG, operation, strategy, "strategy");
}

/// Records that a strategy failed and that another one replaces it.
pub(crate) fn fallback(operation: &'static str, strategy: &'static str, errno: Option<Errno>) {
    event!(DEBUG, operation, strategy, errno = errno.map(errno_name), "fallback");
}

/// Records that a mount of a plan is attached inside the set.
pub(crate) fn attached(mount: usize, mount_point: &Path) {
    event!(DEBUG, mount, mount_point = %shown(mount_point), "attached");
}

/// Records that a set that was built detached is visible at its target.
pub(crate) fn published(mount_point: &Path, mount_id: u64) {
    event!(DEBUG, mount_point = %shown(mount_point), mount_id, "published");
}

/// Records that the mounts of a failed set were unmounted again, except `left` of them.
pub(crate) fn rolled_back(mounts: usize, left: usize) {
    if left == 0 {
        event!(DEBUG, mounts, left, "rolled back");
    } else {
        event!(WARN, mounts, left, "rolled back");
    }
}

/// Records that `clean` removed a `mount` or a `directory` that a killed process left.
pub(crate) fn recovered(kind: &'static str, path: &Path) {
    event!(DEBUG, kind, path = %shown(path), "recovered");
}

/// Returns the path as text; an empty one in a mount list is the root.
fn shown(path: &Path) -> String {
    let path = if path.as_os_str().is_empty() { Path::new("/") } else { path };
    escape(path.as_os_str().as_encoded_bytes())
}
