// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Makes .ci/baseline/kernels.tsv, which has the outcome of each case on each kernel.

use crate::results::{Outcome, Results};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The results of one kernel.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) kernel: &'static str,
    pub(crate) results: Results,
}

/// One case on one kernel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row<'a> {
    pub(crate) kernel: &'static str,
    pub(crate) binary: &'a str,
    pub(crate) case: &'a str,
    pub(crate) outcome: Outcome,
    pub(crate) seconds: f64,
    pub(crate) why: String,
}

/// Returns a row for each case, and one for each binary that failed without a failed case.
pub(crate) fn rows(runs: &[Run]) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for Run { kernel, results } in runs {
        for binary in &results.binaries {
            let name = binary.name.as_str();
            rows.extend(binary.cases.iter().map(|case| Row {
                kernel,
                binary: name,
                case: &case.name,
                outcome: case.outcome,
                seconds: case.seconds,
                why: case.why.clone(),
            }));
            rows.extend(binary.unexplained_status().map(|status| Row {
                kernel,
                binary: name,
                case: "(the program)",
                outcome: Outcome::Failed,
                seconds: 0.0,
                why: format!("status {status} without a failed case"),
            }));
        }
    }
    rows
}

/// Returns the text of .ci/baseline/kernels.tsv, with a column for each kernel and sorted lines.
pub(crate) fn kernels_tsv(runs: &[Run]) -> String {
    let mut outcomes: BTreeMap<(&str, &str), HashMap<&str, &str>> = BTreeMap::new();
    let rows = rows(runs);
    for row in &rows {
        outcomes.entry((row.binary, row.case)).or_default().insert(row.kernel, row.outcome.word());
    }
    let mut lines = Vec::new();
    for ((binary, case), by_kernel) in &outcomes {
        let cells = runs.iter().map(|run| by_kernel.get(run.kernel).copied().unwrap_or("not run"));
        lines.push([*binary, *case].into_iter().chain(cells).collect::<Vec<_>>().join("\t"));
    }
    lines.sort_unstable();
    let kernels = runs.iter().map(|run| run.kernel);
    lines.insert(0, ["test", "case"].into_iter().chain(kernels).collect::<Vec<_>>().join("\t"));
    lines.join("\n") + "\n"
}

/// Returns the (binary, case) pairs that passed on a kernel, from the text of [`kernels_tsv`].
pub(crate) fn passed_on(table: &str, kernel: &str) -> HashSet<(String, String)> {
    let mut lines = table.lines();
    let head = lines.next().unwrap_or_default();
    let Some(column) = head.split('\t').skip(2).position(|name| name == kernel) else {
        return HashSet::new();
    };
    let passed = lines.filter_map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        match cells.as_slice() {
            [binary, case, outcomes @ ..] if outcomes.get(column) == Some(&"passed") => {
                Some(((*binary).to_owned(), (*case).to_owned()))
            }
            _ => None,
        }
    });
    passed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::parse;

    fn runs() -> Vec<Run> {
        let old = "binary set\ncase a passed 0.50 \ncase b unsupported 0.00 no call\nend set 0 1\n\
                   binary kill\ncase c passed 0.10 \nend kill 139 1\ndone 2\n";
        let new = "binary unit\nplain x ignored\nplain y ok\nend unit 0 0\n\
                   binary set\ncase a passed 0.25 \ncase b passed 0.25 \nend set 0 1\ndone 1\n";
        vec![Run { kernel: "6.1", results: parse(old) }, Run { kernel: "own", results: parse(new) }]
    }

    #[test]
    fn each_case_has_a_line_and_each_kernel_a_column() {
        let table = "test\tcase\t6.1\town\n\
                     kill\t(the program)\tfailed\tnot run\n\
                     kill\tc\tpassed\tnot run\n\
                     set\ta\tpassed\tpassed\n\
                     set\tb\tunsupported\tpassed\n\
                     unit\tx\tnot run\tskipped\n\
                     unit\ty\tnot run\tpassed\n";
        assert_eq!(kernels_tsv(&runs()), table);
    }

    #[test]
    fn rows_keep_the_reason_and_the_time() {
        let runs = runs();
        let rows = rows(&runs);
        assert_eq!((rows[0].seconds, rows[1].why.as_str()), (0.5, "no call"));
        assert_eq!(rows[3].why, "status 139 without a failed case");
    }

    #[test]
    fn what_passed_is_read_from_the_kernels_column() {
        let table = kernels_tsv(&runs());
        let passed = |kernel| {
            let mut cases: Vec<_> =
                passed_on(&table, kernel).into_iter().map(|(b, c)| b + " " + &c).collect();
            cases.sort();
            cases
        };
        assert_eq!(passed("6.1"), ["kill c", "set a"]);
        assert_eq!(passed("own"), ["set a", "set b", "unit y"]);
        assert_eq!(passed("6.12"), [""; 0]);
        assert_eq!(passed("case"), [""; 0]);
        assert!(passed_on("", "6.1").is_empty());
    }
}
