// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Creates directories of a throw-away root.

use fmountat::{Create, Error, Operation, Spec, Target};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, Mode};
use rustix::io::Errno;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A path of the host that the copy lacks or has read-only, and the reason.
pub(crate) type NotOverlaid = (PathBuf, String);

pub(crate) fn failed(step: &'static str, path: &Path, errno: Errno) -> Error {
    Error::from_io(Operation::Program(step), path, errno.into())
}

/// Returns whether the last mount on /dev is a new, writable tmpfs. Anything else may be a
/// directory of the caller.
pub(crate) fn makes_dev(spec: &Spec) -> bool {
    let is_dev = |target: &Path| target.strip_prefix("/").unwrap_or(target) == Path::new("dev");
    let is_other = |option: &std::ffi::OsString| {
        option.as_bytes().split(|b| *b == b',').any(|o| [&b"bind"[..], b"rbind", b"ro"].contains(&o))
    };
    let last = spec.mounts.iter().rev().find(|mount| is_dev(&mount.target));
    last.is_some_and(|mount| mount.fstype == "tmpfs" && !mount.options.iter().any(is_other))
}

pub(crate) fn make_directory(root: BorrowedFd<'_>, path: &Path, mode: u32) -> Result<Target, Error> {
    let made = Target::create_in_root(root, path, Create::directory(mode))?;
    // mkdir(2) applies the umask. The path `.` has no link to follow.
    rustix::fs::chmodat(made.as_fd(), ".", Mode::from_raw_mode(mode), AtFlags::empty())
        .map_err(|errno| failed("set mode of directory", path, errno))?;
    made.keep();
    Ok(made)
}
