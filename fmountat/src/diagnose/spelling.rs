// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The word that was meant: the nearest by what fingers do wrong.

/// The candidate that is nearest to `word`, if one is near enough: one slip for each three letters. Of two as near the
/// first one wins.
pub(crate) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let letters = word.chars().count();
    let most = (letters / 3).clamp(1, 3);
    // More letters more or less are more slips.
    let is_as_long = |candidate: &&str| candidate.chars().count().abs_diff(letters) <= most;
    let near = |candidate: &'c str| Some((distance(word, candidate), candidate)).filter(|(d, _)| *d <= most);
    let found =
        candidates.into_iter().filter(is_as_long).filter_map(near).min_by_key(|(distance, _)| *distance);
    // Of two or three letters anything is one slip away from anything.
    found.filter(|(distance, _)| *distance * 2 < letters).map(|(_, candidate)| candidate)
}

/// Letters to insert, delete, exchange or swap with their neighbour (optimal string alignment); letter case is no slip
/// worth the name, and counts as one.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j - 1] + same).min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    if a != b && a.iter().collect::<String>().eq_ignore_ascii_case(&b.iter().collect::<String>()) {
        return 1;
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger() {
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

    proptest::proptest! {
        #[test]
        fn distance_is_one(a: String, b: String) {
            proptest::prop_assert_eq!(distance(&a, &b), distance(&b, &a));
            proptest::prop_assert_eq!(distance(&a, &a), 0);
        }
    }
}
