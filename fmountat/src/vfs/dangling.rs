// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Dangling symbolic links in the path of a mount point that is to be created.

use crate::error::{Error, Operation, Result, Syscall};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The kernel's limit of links in one path: `MAXSYMLINKS`, include/linux/namei.h.
pub(crate) const LINKS: usize = 40;

/// Replaces each dangling link in `path` by the link's target, as runc does, and returns the path
/// to create. `open` resolves a path inside the root; no link leads out of the root.
///
/// # Errors
/// `ELOOP` after 40 links; those of resolving the existing part of the path.
pub(crate) fn follow(open: impl Fn(&Path) -> Result<OwnedFd>, path: &Path) -> Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        match first_dangling(&open, &path)? {
            Some(followed) => path = followed,
            None => return Ok(path),
        }
    }
    Err(Error::sys(Operation::ResolveTarget, Syscall::Openat2, Errno::LOOP).with_argument(path))
}

/// Returns the path with its first dangling link replaced; `None` without one.
fn first_dangling(open: impl Fn(&Path) -> Result<OwnedFd>, path: &Path) -> Result<Option<PathBuf>> {
    let mut existing = PathBuf::from("/");
    let mut rest = path.components();
    while let Some(component) = rest.next() {
        let next = existing.join(component);
        match open(&next) {
            Ok(_) => existing = next,
            Err(error) if error.raw_errno() == Some(Errno::NOENT) => {
                let parent = open(&existing)?;
                let text = rustix::fs::readlinkat(parent, component.as_os_str(), Vec::new());
                return Ok(text
                    .ok()
                    .map(|text| existing.join(OsStr::from_bytes(text.as_bytes())).join(rest.as_path())));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}
