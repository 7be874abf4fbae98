// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Decides which failures under a filter count.

use super::differs::Expected;
use crate::results::{Binary, Outcome, Results};

const FAILED: &str = "failed";

/// The outcome of a failed case that .ci/filters.d/differs names.
const DIFFERS: &str = "differs";

/// A case, or the binary itself, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) binary: String,
    pub(crate) case: String,
    pub(crate) outcome: &'static str,
}

#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) filter: String,
    pub(crate) rows: Vec<Row>,
    /// A line for the user about each failure.
    pub(crate) failures: Vec<String>,
}

impl Judged {
    /// Judges the results of a run. A failure that `expected` names counts as `differs`.
    pub(crate) fn new(filter: &str, results: &Results, expected: &Expected) -> Self {
        let mut judged = Self { filter: filter.to_owned(), rows: Vec::new(), failures: Vec::new() };
        for binary in &results.binaries {
            for case in &binary.cases {
                let outcome = match case.outcome {
                    Outcome::Failed if expected.names(&binary.name, &case.name, filter) => DIFFERS,
                    other => other.word(),
                };
                if outcome == FAILED {
                    judged.fail(&format!("{} {}", binary.name, case.name));
                }
                judged.add(binary, &case.name, outcome);
            }
            if let Some(why) = bad_end(binary) {
                judged.fail(&why);
                judged.add(binary, "(the program)", FAILED);
            }
        }
        if judged.rows.is_empty() {
            judged.failures.push(format!("{filter}: FAILED: no case ran"));
        }
        judged
    }

    fn fail(&mut self, why: &str) {
        self.failures.push(format!("{}: FAILED {why}", self.filter));
    }

    fn add(&mut self, binary: &Binary, case: &str, outcome: &'static str) {
        self.rows.push(Row { binary: binary.name.clone(), case: case.to_owned(), outcome });
    }

    /// Returns whether a case ran and none failed.
    pub(crate) fn passed(&self) -> bool {
        !self.rows.is_empty() && self.count(FAILED) == 0
    }

    /// Returns the line with the counts.
    pub(crate) fn summary(&self, seconds: u64) -> String {
        format!(
            "{}: {} passed, {} differ, {} unsupported, {} skipped, {} failed, {seconds} s",
            self.filter,
            self.count("passed"),
            self.count(DIFFERS),
            self.count("unsupported"),
            self.count("skipped"),
            self.count(FAILED),
        )
    }

    /// Returns lines `FILTER BINARY CASE OUTCOME`, separated by tabs.
    pub(crate) fn lines(&self) -> String {
        let line = |row: &Row| format!("{}\t{}\t{}\t{}\n", self.filter, row.binary, row.case, row.outcome);
        self.rows.iter().map(line).collect()
    }

    fn count(&self, outcome: &str) -> usize {
        self.rows.iter().filter(|row| row.outcome == outcome).count()
    }
}

/// Returns why a binary failed apart from its cases.
fn bad_end(binary: &Binary) -> Option<String> {
    let status = binary.status.as_deref()?;
    if binary.cases.is_empty() {
        return Some(format!("{}: status {status} and no case", binary.name));
    }
    binary
        .unexplained_status()
        .map(|status| format!("{}: status {status} without a failed case", binary.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::parse;

    fn judged(filter: &str, text: &str) -> Judged {
        let expected = Expected::parse("set b.* x-.* because\n").unwrap();
        Judged::new(filter, &parse(text), &expected)
    }

    const SET: &str = "binary set\ncase a passed 0.01 \ncase b failed 0.01 x\ncase c unsupported 0.00 y\n\
                       case d skipped 0.00 z\nend set 101\n";

    #[test]
    fn an_expected_failure_differs() {
        let judged = judged("x-eperm", SET);
        assert!(judged.passed());
        assert_eq!(judged.failures, [""; 0]);
        assert_eq!(judged.summary(4), "x-eperm: 1 passed, 1 differ, 1 unsupported, 1 skipped, 0 failed, 4 s");
        assert_eq!(
            judged.lines(),
            "x-eperm\tset\ta\tpassed\nx-eperm\tset\tb\tdiffers\nx-eperm\tset\tc\tunsupported\nx-eperm\tset\td\tskipped\n"
        );
    }

    #[test]
    fn any_other_failure_fails() {
        for filter in ["none", "y-eperm"] {
            let judged = judged(filter, SET);
            assert!(!judged.passed());
            assert_eq!(judged.failures, [format!("{filter}: FAILED set b")]);
        }
    }

    #[test]
    fn a_binary_must_run_a_case_and_end_well() {
        let judged =
            judged("x-eperm", "binary run\ncase a passed 0.01 \nend run 139\nbinary kill\nend kill 0\n");
        assert!(!judged.passed());
        assert_eq!(
            judged.failures,
            [
                "x-eperm: FAILED run: status 139 without a failed case",
                "x-eperm: FAILED kill: status 0 and no case",
            ]
        );
        assert!(judged.lines().ends_with("x-eperm\tkill\t(the program)\tfailed\n"));
        let nothing = self::judged("none", "");
        assert!(!nothing.passed());
        assert_eq!(nothing.failures, ["none: FAILED: no case ran"]);
    }
}
