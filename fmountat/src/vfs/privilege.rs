// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The capability needed to mount, and the hint for callers that lack it.

use crate::error::Error;
use rustix::thread::CapabilitySet;

/// Adds the hint to `error` if the calling thread lacks CAP_SYS_ADMIN.
pub(crate) fn needs_admin(error: Error) -> Error {
    if is_admin() { error } else { error.with_hint(NEEDS_ADMIN) }
}

/// Reports whether the calling thread has CAP_SYS_ADMIN in its user namespace.
pub(crate) fn is_admin() -> bool {
    let effective = rustix::thread::capabilities(None).map(|sets| sets.effective);
    effective.is_ok_and(|all| all.contains(CapabilitySet::SYS_ADMIN))
}

const NEEDS_ADMIN: &str = "mounting needs CAP_SYS_ADMIN in the user namespace that owns the mount \
     namespace: run as root, or in a user and mount namespace of your own (`fmountat run`)";
