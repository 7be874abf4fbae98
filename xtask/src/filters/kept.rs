// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The recorded table, .ci/baseline/filters.tsv: lines `FILTER BINARY OUTCOME COUNT`, separated by
//! tabs.

use super::judge::Judged;
use std::collections::BTreeMap;

/// Returns a line for each binary with more unsupported cases than the kept table has.
///
/// New cases of a binary may be unsupported: the table does not have them.
pub(crate) fn more_unsupported(kept: &str, judged: &Judged) -> Vec<String> {
    let mut before: BTreeMap<&str, Cases> = BTreeMap::new();
    for (filter, binary, outcome, count) in kept.lines().filter_map(fields) {
        if filter == judged.filter {
            before.entry(binary).or_default().add(outcome, count);
        }
    }
    let mut now: BTreeMap<&str, Cases> = BTreeMap::new();
    let mut names: BTreeMap<&str, String> = BTreeMap::new();
    for row in &judged.rows {
        now.entry(&row.binary).or_default().add(row.outcome, 1);
        if row.outcome == UNSUPPORTED {
            let names = names.entry(&row.binary).or_default();
            names.push(' ');
            names.push_str(&row.case);
        }
    }
    let mut lines = Vec::new();
    for (binary, names) in &names {
        if let (Some(before), Some(now)) = (before.get(binary), now.get(binary)) {
            let new = now.all.saturating_sub(before.all);
            if now.unsupported > before.unsupported + new {
                lines.push(format!(
                    "{}: FAILED {binary}: {} unsupported, {} in .ci/baseline/filters.tsv:{names}",
                    judged.filter, now.unsupported, before.unsupported
                ));
            }
        }
    }
    lines
}

const UNSUPPORTED: &str = "unsupported";

#[derive(Default)]
struct Cases {
    all: usize,
    unsupported: usize,
}

impl Cases {
    fn add(&mut self, outcome: &str, count: usize) {
        self.all += count;
        if outcome == UNSUPPORTED {
            self.unsupported += count;
        }
    }
}

fn fields(line: &str) -> Option<(&str, &str, &str, usize)> {
    match line.split('\t').collect::<Vec<_>>().as_slice() {
        [filter, binary, outcome, count] => Some((filter, binary, outcome, count.parse().ok()?)),
        _ => None,
    }
}

/// Replaces the counts of `runs` in the table.
///
/// Keeps the lines of filters and binaries that did not run.
pub(crate) fn update(before: &str, runs: &[Judged], binaries: &[&str]) -> String {
    let has_run = |line: &str| {
        let mut words = line.split('\t');
        let (filter, binary) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        runs.iter().any(|run| run.filter == filter) && binaries.contains(&binary)
    };
    let mut counts: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for run in runs {
        for row in &run.rows {
            *counts.entry((&run.filter, &row.binary, row.outcome)).or_default() += 1;
        }
    }
    let mut lines: Vec<String> = before.lines().filter(|line| !has_run(line)).map(str::to_owned).collect();
    lines.extend(
        counts
            .into_iter()
            .map(|((filter, binary, outcome), n)| format!("{filter}\t{binary}\t{outcome}\t{n}")),
    );
    lines.sort_unstable();
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::judge::Row;
    use super::*;

    fn judged(filter: &str, rows: &[(&str, &str, &'static str)]) -> Judged {
        let row = |(binary, case, outcome): &(&str, &str, &'static str)| Row {
            binary: (*binary).to_owned(),
            case: (*case).to_owned(),
            outcome,
        };
        Judged { filter: filter.to_owned(), rows: rows.iter().map(row).collect(), failures: Vec::new() }
    }

    const KEPT: &str =
        "f\trun\tpassed\t2\nf\tset\tpassed\t1\nf\tset\tunsupported\t1\ng\tset\tunsupported\t5\n";

    #[test]
    fn more_unsupported_cases_than_before_are_named() {
        let worse =
            judged("f", &[("set", "a", "unsupported"), ("set", "b", "unsupported"), ("run", "c", "passed")]);
        assert_eq!(
            more_unsupported(KEPT, &worse),
            ["f: FAILED set: 2 unsupported, 1 in .ci/baseline/filters.tsv: a b"]
        );
        let first = judged("f", &[("run", "c", "unsupported"), ("run", "d", "passed")]);
        assert_eq!(
            more_unsupported(KEPT, &first),
            ["f: FAILED run: 1 unsupported, 0 in .ci/baseline/filters.tsv: c"]
        );
    }

    #[test]
    fn new_cases_and_new_binaries_may_be_unsupported() {
        let same = judged("f", &[("set", "a", "unsupported"), ("set", "b", "passed")]);
        assert_eq!(more_unsupported(KEPT, &same), [""; 0]);
        let grown =
            judged("f", &[("set", "a", "unsupported"), ("set", "b", "unsupported"), ("set", "c", "passed")]);
        assert_eq!(more_unsupported(KEPT, &grown), [""; 0]);
        let new = judged("f", &[("kill", "a", "unsupported")]);
        assert_eq!(more_unsupported(KEPT, &new), [""; 0]);
        assert_eq!(more_unsupported("", &same), [""; 0]);
    }

    #[test]
    fn lines_of_what_did_not_run_are_kept() {
        let run = judged("f", &[("set", "a", "passed"), ("set", "b", "passed"), ("set", "c", "differs")]);
        assert_eq!(
            update(KEPT, &[run], &["set"]),
            "f\trun\tpassed\t2\nf\tset\tdiffers\t1\nf\tset\tpassed\t2\ng\tset\tunsupported\t5\n"
        );
    }
}
