// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The directory that paths have in common, by components and not by bytes.

use std::path::{Component, Path, PathBuf};

/// Returns the deepest directory that all paths lie below or are, by whole components: `/s/1/fs` and `/s/10/fs` have `/s` in
/// common, not `/s/1`. `None` for no paths, for relative with absolute ones, and for a path with `..`.
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
    let is_absolute = first.is_absolute();
    if has_parent(first) {
        return None;
    }
    for path in paths {
        if path.is_absolute() != is_absolute || has_parent(path) {
            return None;
        }
        let same = common.iter().zip(path.components()).take_while(|(a, b)| **a == *b);
        let length = same.count();
        common.truncate(length);
    }
    Some(common.iter().collect())
}

fn has_parent(path: &Path) -> bool {
    path.components().any(|c| c == Component::ParentDir)
}
