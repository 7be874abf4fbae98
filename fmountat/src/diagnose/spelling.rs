// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Suggestions for misspelled names, by edit distance.

/// Returns the candidate that is nearest to `word`, if it is near enough: one edit for each three
/// letters, three at most. The first of several wins.
pub(crate) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let letters = word.chars().count();
    let most = (letters / 3).clamp(1, 3);
    // Each letter more or less is an edit.
    let is_as_long = |candidate: &&str| candidate.chars().count().abs_diff(letters) <= most;
    let near = |candidate: &'c str| Some((distance(word, candidate), candidate)).filter(|(d, _)| *d <= most);
    let found =
        candidates.into_iter().filter(is_as_long).filter_map(near).min_by_key(|(distance, _)| *distance);
    // Of two or three letters anything is one edit away from anything.
    found.filter(|(distance, _)| *distance * 2 < letters).map(|(_, candidate)| candidate)
}

/// Returns the number of edits; a swap of neighbours, or a difference in case alone, is one.
fn distance(a: &str, b: &str) -> usize {
    if a != b && a.eq_ignore_ascii_case(b) { 1 } else { strsim::osa_distance(a, b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelled_names() {
        let words = ["size", "mode", "nr_inodes", "nosuid", "lowerdir", "uid", "gid", "ro"];
        for (typed, meant) in [
            ("sise", Some("size")),
            ("szie", Some("size")),
            ("moed", Some("mode")),
            ("nr_inode", Some("nr_inodes")),
            ("nosiud", Some("nosuid")),
            ("lowedir", Some("lowerdir")),
            ("NOSUID", Some("nosuid")),
            ("quota", None),
            ("rx", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, words), meant, "{typed}");
        }
    }
}
