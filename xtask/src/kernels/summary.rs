// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Counts the results of one kernel and decides whether they pass.

use crate::results::{Outcome, Results};
use std::collections::{BTreeMap, HashSet};

/// The verdict on one kernel.
#[derive(Debug)]
pub(crate) struct Summary {
    /// The failures, then the counts.
    pub(crate) lines: Vec<String>,
    /// Whether a case passed, none failed, and the run is complete.
    pub(crate) passed: bool,
}

impl Summary {
    /// Counts `results`. An unsupported case fails if `had_passed` has its (binary, case).
    pub(crate) fn new(kernel: &str, results: &Results, had_passed: &HashSet<(String, String)>) -> Self {
        let mut lines = Vec::new();
        let mut counts: BTreeMap<Outcome, usize> = BTreeMap::new();
        let mut failures = 0;
        let mut fail = |why: String| {
            failures += 1;
            lines.push(format!("{kernel}: FAILED {why}"));
        };
        for binary in &results.binaries {
            for case in &binary.cases {
                let key = (binary.name.clone(), case.name.clone());
                if case.outcome == Outcome::Unsupported && had_passed.contains(&key) {
                    let (binary, case) = (&key.0, case);
                    fail(format!("{binary} {}: unsupported, and it had passed: {}", case.name, case.line));
                } else {
                    *counts.entry(case.outcome).or_default() += 1;
                }
            }
            if let Some(status) = binary.unexplained_status() {
                fail(format!("{}: status {status} without a failed case", binary.name));
            }
        }
        let count = |outcome| counts.get(&outcome).copied().unwrap_or_default();
        let (passed, failed) = (count(Outcome::Passed), count(Outcome::Failed) + failures);
        let end = match results.seconds {
            Some(seconds) => format!(", {seconds} s"),
            None => ", and it did not come to the end".to_owned(),
        };
        lines.push(format!(
            "{kernel}: {passed} passed, {} unsupported, {} skipped, {failed} failed{end}",
            count(Outcome::Unsupported),
            count(Outcome::Skipped),
        ));
        if passed == 0 {
            lines.push(format!("{kernel}: FAILED: nothing passed"));
        }
        Self { lines, passed: passed > 0 && failed == 0 && results.seconds.is_some() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::parse;

    fn summary(text: &str) -> (Vec<String>, bool) {
        let had_passed = HashSet::from([("set".to_owned(), "b".to_owned())]);
        let Summary { lines, passed } = Summary::new("6.1", &parse(text), &had_passed);
        (lines, passed)
    }

    #[test]
    fn outcomes_of_both_harnesses_are_counted() {
        let (lines, passed) = summary(
            "binary set\ncase a passed 0.01 \ncase b passed 0.01 \ncase c skipped 0.00 x\nend set 0 1\n\
             binary unit\nplain d ok\nplain e ignored\nplain b unsupported y\nend unit 0 0\ndone 2\n",
        );
        assert_eq!(lines, ["6.1: 3 passed, 1 unsupported, 1 skipped, 0 failed, 2 s"]);
        assert!(passed);
    }

    #[test]
    fn a_case_that_had_passed_must_not_be_unsupported() {
        let (lines, passed) = summary(
            "binary set\ncase a passed 0.01 \ncase b unsupported 0.00 no call\nend set 0 1\ndone 2\n",
        );
        assert_eq!(
            lines,
            [
                "6.1: FAILED set b: unsupported, and it had passed: case b unsupported 0.00 no call",
                "6.1: 1 passed, 0 unsupported, 0 skipped, 1 failed, 2 s",
            ]
        );
        assert!(!passed);
    }

    #[test]
    fn a_failed_case_and_a_bad_end_are_failures() {
        let (lines, passed) = summary(
            "binary run\ncase a passed 0.01 \ncase b failed 0.01 x\nend run 101 1\n\
             binary kill\ncase c passed 0.01 \nend kill 139 1\ndone 2\n",
        );
        assert_eq!(
            lines,
            [
                "6.1: FAILED kill: status 139 without a failed case",
                "6.1: 2 passed, 0 unsupported, 0 skipped, 2 failed, 2 s",
            ]
        );
        assert!(!passed);
    }

    #[test]
    fn a_run_without_end_or_without_a_case_fails() {
        let (lines, passed) = summary("binary run\ncase a passed 0.01 \n");
        assert_eq!(
            lines,
            ["6.1: 1 passed, 0 unsupported, 0 skipped, 0 failed, and it did not come to the end"]
        );
        assert!(!passed);
        let (lines, passed) = summary("done 1\n");
        assert_eq!(
            lines,
            ["6.1: 0 passed, 0 unsupported, 0 skipped, 0 failed, 1 s", "6.1: FAILED: nothing passed"]
        );
        assert!(!passed);
    }
}
