// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The directory that paths have in common: by components, never by bytes.

use std::path::{Component, Path, PathBuf};

/// The deepest directory that all paths lie **strictly** below or are, by whole components: `/s/1/fs` and `/s/10/fs`
/// have `/s` in common, not `/s/1`. `None` for no paths, for relative with absolute ones, and where a `..` makes
/// components lie.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_directory_of_cases() {
        let cases: [(&[&str], Option<&str>); 9] = [
            (&[], None),
            (&["foo"], Some("foo")),
            (&["foo", "bar"], Some("")),
            (&["foo", "foo"], Some("foo")),
            (&["foo", "foobar"], Some("")),
            (&["/snapshots/1/fs", "/snapshots/10/fs"], Some("/snapshots")),
            (&["/s/79/fs", "/s/78/fs", "/s/7/fs"], Some("/s")),
            (&["/a", "b"], None),
            (&["/a/../b", "/a"], None),
        ];
        for (paths, want) in cases {
            let got = common_directory(paths.iter().map(Path::new));
            assert_eq!(got.as_deref(), want.map(Path::new), "{paths:?}");
        }
    }
}
