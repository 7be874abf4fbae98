// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The outcome of a case, and its line in the file of results.

use std::io::Write;
use std::time::Duration;

/// The outcome of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// The machine does not meet a need of the case.
    Skipped(String),
    /// The kernel, or the filter, does not meet a need of the case.
    Unsupported(String),
    Failed(String),
}

/// The variable that names the file to which a line is appended for each case: `case NAME OUTCOME
/// SECONDS WHY`.
const RESULTS: &str = "FMOUNTAT_RESULTS";

impl Outcome {
    /// Returns the name of the outcome, and the reason on one line.
    fn words(&self) -> (&'static str, String) {
        let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        match self {
            Self::Passed => ("passed", String::new()),
            Self::Skipped(why) => ("skipped", line(why)),
            Self::Unsupported(why) => ("unsupported", line(why)),
            Self::Failed(why) => ("failed", line(why)),
        }
    }

    /// Appends the line to the file of results, if there is one. One write keeps the line whole
    /// beside those of other processes.
    pub(crate) fn report(&self, case: &str, time: Duration) {
        let Some(path) = std::env::var_os(RESULTS) else { return };
        let (word, why) = self.words();
        let line = format!("case {case} {word} {:.2} {why}\n", time.as_secs_f64());
        let file = std::fs::OpenOptions::new().append(true).open(&path);
        let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
        written.unwrap_or_else(|e| panic!("{RESULTS}: {}: {e}", std::path::Path::new(&path).display()));
    }
}
