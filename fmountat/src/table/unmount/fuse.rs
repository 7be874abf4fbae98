// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FUSE mounts by `fusermount3 -u`, which may unmount what its user mounted without further privileges.

use crate::error::Operation;
use crate::kinds::helper::HELPER_LIMIT;
use crate::kinds::helper::run::{in_path, run_program};
use crate::sys::spawn::spawn::Ended;
use crate::table::unmount::place::Handle;
use crate::vfs::bytes::c_string;
use rustix::mount::UnmountFlags;
use std::ffi::{CString, OsString};

/// What the program made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Done,
    Busy,
    /// It is not installed, or failed for another reason.
    Other,
}

/// `fusermount3 -u`, or `fusermount -u` where that is not found.
pub(crate) fn unmount(handle: &Handle, flags: UnmountFlags) -> Said {
    let found = ["fusermount3", "fusermount"].iter().find_map(|program| run(program, handle, flags));
    found.unwrap_or(Said::Other)
}

/// `None` if the program can't be run. It starts in the parent directory, which nobody can exchange then. The time limit
/// for the whole is the caller's, which runs this on a thread.
fn run(program: &str, handle: &Handle, flags: UnmountFlags) -> Option<Said> {
    let (parent, name) = handle.in_parent()?;
    let mut last = OsString::from("./");
    last.push(name);
    let lazy = flags.contains(UnmountFlags::DETACH).then(|| OsString::from("-z"));
    let words = [in_path(program)?.into_os_string(), "-u".into()].into_iter().chain(lazy);
    let words = words.chain(["--".into(), last]);
    let argv: Vec<CString> =
        words.map(|word| c_string(Operation::ReadHelperArgument, word)).collect::<Result<_, _>>().ok()?;
    let (ended, output) = run_program(parent, &argv, HELPER_LIMIT).ok()?;
    Some(match ended {
        Ended::Exit(0) => Said::Done,
        _ if output.iter().any(|line| line.to_lowercase().contains("busy")) => Said::Busy,
        _ => Said::Other,
    })
}
