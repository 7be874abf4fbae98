// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Unmounts FUSE by `fusermount3 -u`, which lets unprivileged users unmount what they mounted.

use crate::kinds::helper::HELPER_LIMIT;
use crate::kinds::helper::run::fusermount;
use crate::sys::spawn::spawn::Ended;
use crate::table::unmount::place::Handle;
use rustix::mount::UnmountFlags;

/// The result of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fusermount {
    Done,
    Busy,
    /// The program is not installed, or failed for another reason.
    Other,
}

/// Runs `fusermount3 -u`. The caller runs this on a thread and limits the time.
pub(crate) fn unmount(handle: &Handle, flags: UnmountFlags) -> Fusermount {
    let lazy = flags.contains(UnmountFlags::DETACH);
    let ended = handle.in_parent().and_then(|(dir, name)| fusermount(dir, name, lazy, HELPER_LIMIT));
    match ended {
        Some((Ended::Exit(0), _)) => Fusermount::Done,
        Some((_, output)) if output.iter().any(|line| line.to_lowercase().contains("busy")) => {
            Fusermount::Busy
        }
        _ => Fusermount::Other,
    }
}
