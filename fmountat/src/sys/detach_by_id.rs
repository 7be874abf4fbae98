// SPDX-License-Identifier: Apache-2.0 OR MIT
//! umount2(2) of a mount with a given id, for a child that has made half of its changes already
//! (`orphan_task`).

use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use std::ffi::CStr;

/// Why the mount is still attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotDetached {
    /// Another mount is on top.
    NotOnTop,
    /// The last error of the lookup or of umount2(2).
    Refused(Errno),
}

/// How often to try: half of the changes are made already, so one failure is not final.
const TRIES: usize = 4;

/// Detaches the mount with this id by `name`, with `MNT_DETACH` and `flags`. umount2(2) unmounts
/// the topmost mount, so `top` must return this id.
pub(crate) fn detach(
    name: &CStr,
    flags: UnmountFlags,
    id: u64,
    top: impl Fn() -> Result<u64, Errno>,
) -> Result<(), NotDetached> {
    let mut error = NotDetached::NotOnTop;
    for _ in 0..TRIES {
        match top() {
            Ok(seen) if seen == id => {}
            Ok(_) => return Err(NotDetached::NotOnTop),
            Err(errno) => {
                error = NotDetached::Refused(errno);
                continue;
            }
        }
        match unmount(name, UnmountFlags::DETACH | flags) {
            Ok(()) => return Ok(()),
            Err(errno) => error = NotDetached::Refused(errno),
        }
    }
    Err(error)
}
