// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FUSE mounts by `fusermount3 -u`, which may unmount what its user mounted without further privileges.

use crate::kinds::helper::HELPER_LIMIT;
use crate::kinds::helper::run::fusermount;
use crate::sys::spawn::spawn::Ended;
use crate::table::unmount::place::Handle;
use rustix::mount::UnmountFlags;

/// What the program made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Done,
    Busy,
    /// It is not installed, or failed for another reason.
    Other,
}

/// Runs `fusermount3 -u`. The caller, which runs this on a thread, limits the time.
pub(crate) fn unmount(handle: &Handle, flags: UnmountFlags) -> Said {
    let lazy = flags.contains(UnmountFlags::DETACH);
    let ended = handle.in_parent().and_then(|(dir, name)| fusermount(dir, name, lazy, HELPER_LIMIT));
    match ended {
        Some((Ended::Exit(0), _)) => Said::Done,
        Some((_, output)) if output.iter().any(|line| line.to_lowercase().contains("busy")) => Said::Busy,
        _ => Said::Other,
    }
}
