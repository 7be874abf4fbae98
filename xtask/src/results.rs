// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Parses the results of test files.
//!
//! ```text
//! kernel RELEASE
//! binary NAME                                  a test file starts
//! case NAME OUTCOME SECONDS WHY                by fmountat-testing, see testing/src/report.rs
//! plain NAME ok|FAILED|ignored|unsupported WHY by the standard harness, see .ci/kernels.d/init
//! end NAME STATUS SECONDS                      the test file ended
//! done SECONDS                                 all of them have run
//! ```

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Passed,
    Unsupported,
    Skipped,
    Failed,
    /// `#[ignore]` of the standard harness.
    ///
    /// Tables show it as skipped. The summary line does not count it.
    Ignored,
}

impl Outcome {
    /// Returns the word that tables use.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Unsupported => "unsupported",
            Self::Skipped | Self::Ignored => "skipped",
            Self::Failed => "failed",
        }
    }

    /// Returns the outcome for a word of fmountat-testing. A damaged word counts as a failure.
    fn of_case(word: &str) -> Self {
        match word {
            "passed" => Self::Passed,
            "unsupported" => Self::Unsupported,
            "skipped" => Self::Skipped,
            _ => Self::Failed,
        }
    }

    fn of_plain(word: &str) -> Self {
        match word {
            "ok" => Self::Passed,
            "FAILED" => Self::Failed,
            "unsupported" => Self::Unsupported,
            _ => Self::Ignored,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) outcome: Outcome,
    pub(crate) seconds: f64,
    pub(crate) why: String,
    /// The whole line.
    pub(crate) line: String,
}

impl Case {
    /// Drops the name of the file: in a program of several files a case is named `FILE::CASE`.
    fn of(mut self, file: &str) -> Self {
        if let Some(name) = self.name.strip_prefix(file).and_then(|rest| rest.strip_prefix("::")) {
            self.name = name.to_owned();
        }
        self
    }
}

/// The results of one test file.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Binary {
    pub(crate) name: String,
    pub(crate) cases: Vec<Case>,
    /// The exit status as text, if the binary ended.
    pub(crate) status: Option<String>,
}

impl Binary {
    /// Returns whether a case of it failed.
    pub(crate) fn has_failed_case(&self) -> bool {
        self.cases.iter().any(|case| case.outcome == Outcome::Failed)
    }

    /// Returns the status of a binary that failed without a failed case.
    pub(crate) fn unexplained_status(&self) -> Option<&str> {
        self.status.as_deref().filter(|status| *status != "0" && !self.has_failed_case())
    }
}

/// The results of one run.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Results {
    pub(crate) release: String,
    pub(crate) binaries: Vec<Binary>,
    /// The time of the whole run; `None` if it is incomplete.
    pub(crate) seconds: Option<u64>,
}

/// Parses the lines of a run. Ignores other lines.
pub(crate) fn parse(text: &str) -> Results {
    let mut results = Results::default();
    let mut plain: Vec<Case> = Vec::new();
    for line in text.lines() {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (kind, results.binaries.last_mut()) {
            ("kernel", _) => rest.clone_into(&mut results.release),
            ("done", _) => results.seconds = rest.trim().parse().ok(),
            ("binary", _) => {
                plain.clear();
                results.binaries.push(Binary { name: rest.to_owned(), ..Binary::default() });
            }
            ("case", Some(binary)) => binary.cases.push(parse_case(line).of(&binary.name)),
            ("plain", Some(binary)) => {
                let case = parse_plain(line).of(&binary.name);
                // A later `unsupported` from the test replaces the harness's `ok`.
                plain.retain(|earlier| earlier.name != case.name);
                plain.push(case);
            }
            ("end", Some(binary)) => {
                if binary.cases.is_empty() {
                    binary.cases.append(&mut plain);
                }
                binary.status = Some(rest.split(' ').nth(1).unwrap_or("0").to_owned());
            }
            _ => {}
        }
    }
    results
}

fn parse_case(line: &str) -> Case {
    let mut words = line.splitn(5, ' ').skip(1);
    let mut next = || words.next().unwrap_or_default();
    let (name, outcome, seconds, why) = (next().to_owned(), Outcome::of_case(next()), next(), next());
    let seconds = seconds.parse().unwrap_or_default();
    Case { name, outcome, seconds, why: why.to_owned(), line: line.to_owned() }
}

fn parse_plain(line: &str) -> Case {
    let mut words = line.splitn(4, ' ').skip(1);
    let mut next = || words.next().unwrap_or_default();
    let (name, outcome, why) = (next().to_owned(), Outcome::of_plain(next()), next());
    Case { name, outcome, seconds: 0.0, why: why.to_owned(), line: line.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_belong_to_their_binary() {
        let results = parse(
            "kernel 6.1.0-50\nbinary set\ncase set::a::b passed 0.25 \ncase c unsupported 0.00 no call x\nend set 0 1\n\
             binary run\ncase d failed 1.50 left: 1\nend run 101 2\ndone 3\n",
        );
        assert_eq!((results.release.as_str(), results.seconds), ("6.1.0-50", Some(3)));
        let [set, run] = results.binaries.as_slice() else { panic!("{results:?}") };
        assert_eq!((set.name.as_str(), set.status.as_deref()), ("set", Some("0")));
        assert_eq!((set.cases[0].outcome, set.cases[0].seconds), (Outcome::Passed, 0.25));
        assert_eq!((set.cases[0].why.as_str(), set.cases[1].why.as_str()), ("", "no call x"));
        assert_eq!(set.cases[1].line, "case c unsupported 0.00 no call x");
        assert!(run.has_failed_case() && run.unexplained_status().is_none());
    }

    #[test]
    fn the_standard_harness_counts_where_ours_wrote_nothing() {
        let results = parse(
            "binary unit\nplain a ok\nplain b FAILED\nplain c ignored\nplain d ok\nplain d unsupported no x\nend unit 101 0\n\
             binary own\ncase e passed 0.01 \nplain f ok\nend own 0 0\n",
        );
        let outcomes: Vec<_> =
            results.binaries[0].cases.iter().map(|c| (c.name.as_str(), c.outcome, c.why.as_str())).collect();
        assert_eq!(
            outcomes,
            [
                ("a", Outcome::Passed, ""),
                ("b", Outcome::Failed, ""),
                ("c", Outcome::Ignored, ""),
                ("d", Outcome::Unsupported, "no x"),
            ]
        );
        assert_eq!(results.binaries[1].cases.len(), 1);
    }

    #[test]
    fn a_run_that_broke_off_has_no_end() {
        let results = parse("kernel 6\nbinary set\ncase a passed 0.01 \nbinary run\nplain b ok\n");
        assert_eq!(results.seconds, None);
        assert_eq!(results.binaries[0].status, None);
        assert!(results.binaries[1].cases.is_empty());
        assert_eq!(parse("done\n").seconds, None);
    }

    #[test]
    fn a_status_without_a_failed_case_is_unexplained() {
        let status = |text: &str| parse(text).binaries[0].unexplained_status().map(str::to_owned);
        assert_eq!(status("binary a\nend a 0 1\n"), None);
        assert_eq!(status("binary a\nend a 139 1\n").as_deref(), Some("139"));
        assert_eq!(status("binary a\nplain x FAILED\nend a 101 1\n"), None);
        assert_eq!(status("binary a\ncase x passd 0.01 \nend a 1 1\n"), None);
    }
}
