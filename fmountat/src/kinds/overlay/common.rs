// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finds the common directory of paths, and opens directories.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::path::Arg;
use std::path::{Component, Path, PathBuf};

/// Returns the deepest directory that contains all paths or is one of them, by whole components:
/// the common directory of `/s/1/fs` and `/s/10/fs` is `/s`, not `/s/1`. Returns `None` for no
/// paths, for a mix of relative and absolute paths, and for a path with `..`.
///
/// ```
/// use std::path::Path;
/// let common = fmountat::overlay::common_directory(["/s/1/fs", "/s/10/fs"].map(Path::new));
/// assert_eq!(common.as_deref(), Some(Path::new("/s")));
/// ```
pub fn common_directory<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Option<PathBuf> {
    let mut paths = paths.into_iter();
    let first = paths.next()?;
    let mut common: Vec<Component<'_>> = first.components().collect();
    for path in std::iter::once(first).chain(paths) {
        let has_parent = path.components().any(|component| component == Component::ParentDir);
        if path.is_absolute() != first.is_absolute() || has_parent {
            return None;
        }
        let same = common.iter().zip(path.components()).take_while(|(a, b)| **a == *b).count();
        common.truncate(same);
    }
    Some(common.iter().collect())
}

/// Opens a directory with `O_PATH`.
pub(crate) fn open_directory(dir: impl AsFd, path: impl Arg) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(dir, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}
