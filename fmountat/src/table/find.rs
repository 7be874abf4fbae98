// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which mount holds a path: the one that is seen there, the top of a stack.

use super::mountinfo::{self, MountEntry};
use crate::error::{Error, ErrorKind, Result};
use crate::vfs::identity::mountinfo_id;
use crate::vfs::target::Target;
use rustix::fd::AsFd;
use std::path::Path;

/// The mount that holds `path`, which starts at `dir`; symbolic links are followed. By the id that statx(2) gives
/// \[Linux 5.8\] and its line in mountinfo.
///
/// ```no_run
/// let root = fmountat::find(rustix::fs::CWD, "/etc/passwd")?;
/// println!("{} on {}", root.fstype.to_string_lossy(), root.target.display());
/// # Ok::<(), fmountat::Error>(())
/// ```
///
/// # Errors
/// Those of [`Target::open`] and [`mountinfo::read`]; [`ErrorKind::NotMounted`] for a mount that is in no table of ours:
/// detached, or of another namespace.
pub fn find(dir: impl AsFd, path: impl AsRef<Path>) -> Result<MountEntry> {
    let path = path.as_ref();
    let opened = Target::open(dir, path)?;
    let id = mountinfo_id(opened.as_fd())?;
    let entry = mountinfo::read()?.into_iter().find(|entry| entry.id == id);
    entry.ok_or_else(|| {
        let reason = "the mount that holds it is not in the mount table of this namespace";
        Error::new(ErrorKind::NotMounted, "find mount", reason).arg(path)
    })
}
