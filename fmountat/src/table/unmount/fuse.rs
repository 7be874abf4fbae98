// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FUSE mounts by `fusermount3 -u`, which may unmount what its user mounted without further privileges.

use super::place::Handle;
use rustix::mount::UnmountFlags;
use std::ffi::OsString;
use std::process::{Command, Stdio};

/// What the program made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Done,
    Busy,
    /// It is not installed, or failed for another reason.
    Other,
}

/// `fusermount3 -u`, or `fusermount -u` where that is not found.
pub(super) fn unmount(handle: &Handle, flags: UnmountFlags) -> Said {
    let found = ["fusermount3", "fusermount"].iter().find_map(|program| run(program, handle, flags));
    found.unwrap_or(Said::Other)
}

/// `None` if the program can't be started. It starts in the parent directory, which nobody can exchange then.
fn run(program: &str, handle: &Handle, flags: UnmountFlags) -> Option<Said> {
    let (parent, name) = handle.in_parent()?;
    let mut last = OsString::from("./");
    last.push(name);
    let mut command = Command::new(program);
    command.arg("-u").args(flags.contains(UnmountFlags::DETACH).then_some("-z"));
    command.arg("--").arg(last).current_dir(parent).env("LC_ALL", "C").stdin(Stdio::null());
    let output = command.output().ok()?;
    let text = String::from_utf8_lossy(&output.stderr).to_lowercase();
    Some(match output.status.success() {
        true => Said::Done,
        false if text.contains("busy") => Said::Busy,
        false => Said::Other,
    })
}
