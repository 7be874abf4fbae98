// SPDX-License-Identifier: Apache-2.0 OR MIT
//! umount2(2) of the mount that was looked at, for a child that has gone half way already (`outlive`).

use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use std::ffi::CStr;

/// Why it is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stays {
    /// Another mount is on top.
    Covered,
    /// What the look, or umount2(2), answered the last time.
    Refused(Errno),
}

/// What has come half way is not given up at the first refusal.
const TRIES: usize = 4;

/// Takes the mount with this id away by `name`, with `MNT_DETACH` and `flags`: umount2(2) takes what is on top, which `top` tells.
pub(crate) fn take_away(
    name: &CStr,
    flags: UnmountFlags,
    id: u64,
    top: impl Fn() -> Result<u64, Errno>,
) -> Result<(), Stays> {
    let mut stays = Stays::Covered;
    for _ in 0..TRIES {
        match top() {
            Ok(seen) if seen == id => {}
            Ok(_) => return Err(Stays::Covered),
            Err(errno) => {
                stays = Stays::Refused(errno);
                continue;
            }
        }
        match unmount(name, UnmountFlags::DETACH | flags) {
            Ok(()) => return Ok(()),
            Err(errno) => stays = Stays::Refused(errno),
        }
    }
    Err(stays)
}
