// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a case ended, and the line that says so to whoever collects the results of many machines.

use std::io::Write;
use std::time::Duration;

/// The end of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// The machine lacks something that the case needs.
    Skipped(String),
    /// The kernel, or the filter that the run is under, lacks what the case has declared that it needs.
    Unsupported(String),
    Failed(String),
}

/// The file to which a line is added for each case: `case NAME OUTCOME SECONDS WHY`.
const RESULTS: &str = "FMOUNTAT_RESULTS";

impl Outcome {
    /// The word for it and the reason, on one line.
    fn words(&self) -> (&'static str, String) {
        let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        match self {
            Self::Passed => ("passed", String::new()),
            Self::Skipped(why) => ("skipped", line(why)),
            Self::Unsupported(why) => ("unsupported", line(why)),
            Self::Failed(why) => ("failed", line(why)),
        }
    }

    /// Tells the one who collects, if there is one. One write, so that the line stays whole beside others'.
    pub(crate) fn report(&self, case: &str, time: Duration) {
        let Some(path) = std::env::var_os(RESULTS) else { return };
        let (word, why) = self.words();
        let line = format!("case {case} {word} {:.2} {why}\n", time.as_secs_f64());
        let file = std::fs::OpenOptions::new().append(true).open(&path);
        let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
        written.unwrap_or_else(|e| panic!("{RESULTS}: {}: {e}", std::path::Path::new(&path).display()));
    }
}
