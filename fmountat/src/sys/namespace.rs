// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `unshare(2)` into new namespaces.

use rustix::io::Errno;
use rustix::thread::UnshareFlags;

/// New mount and pid namespaces, with `user` a new user namespace that owns them.
pub(crate) fn unshare_namespaces(user: bool) -> Result<(), Errno> {
    let user = if user { UnshareFlags::NEWUSER } else { UnshareFlags::empty() };
    // SAFETY: CLONE_FILES, which makes `unshare` unsafe in rustix, is not among the flags.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::NEWPID | user) }
}
