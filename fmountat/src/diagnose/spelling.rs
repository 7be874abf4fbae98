// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Suggestions for misspelled names, by edit distance.

/// Returns the candidate nearest to `name`, if it is near enough: one edit per three letters,
/// at least one and at most three. Among equals the first wins.
pub(crate) fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let letters = name.chars().count();
    let most = (letters / 3).clamp(1, 3);
    // A difference in length is at least as many edits.
    let is_as_long = |candidate: &&str| candidate.chars().count().abs_diff(letters) <= most;
    let near = |candidate: &'c str| Some((distance(name, candidate), candidate)).filter(|(d, _)| *d <= most);
    let found =
        candidates.into_iter().filter(is_as_long).filter_map(near).min_by_key(|(distance, _)| *distance);
    // Names of one or two letters are one edit away from unrelated names.
    found.filter(|(distance, _)| *distance * 2 < letters).map(|(_, candidate)| candidate)
}

/// Returns the number of edits. A swap of neighbours counts as one, and so does a difference only
/// in case.
fn distance(a: &str, b: &str) -> usize {
    if a != b && a.eq_ignore_ascii_case(b) { 1 } else { strsim::osa_distance(a, b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelled_names() {
        let names = ["size", "mode", "nr_inodes", "nosuid", "lowerdir", "uid", "gid", "ro"];
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
            assert_eq!(nearest(typed, names), meant, "{typed}");
        }
    }
}
