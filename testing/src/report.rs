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
    /// The kernel can't do it: the error that a user sees, or the release that it needs.
    Unsupported(String),
    Failed(String),
}

/// The file to which a line is added for each case: `case NAME OUTCOME SECONDS WHY`.
const RESULTS: &str = "FMOUNTAT_RESULTS";

impl Outcome {
    /// Of a case that failed with this text: an error of ours that says "unsupported", if that is what ended it.
    pub(crate) fn of_failure(text: String) -> Self {
        match unsupported_error(&text) {
            Some(error) => Self::Unsupported(error),
            None => Self::Failed(text),
        }
    }

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

/// The error of kind `Unsupported` that a case panicked with: `[unsupported] ...`, as `Debug` shows it, on the first line of
/// the message, and with the kernel's words and the hint that follow it.
fn unsupported_error(text: &str) -> Option<String> {
    let mut lines = text.lines().skip_while(|line| !line.contains("panicked at ")).skip(1);
    if let Some(said) = said_by_the_command(&lines.clone().collect::<Vec<_>>().join("\n")) {
        return Some(said);
    }
    let mut words = vec![lines.next()?.split_once("[unsupported] ")?.1];
    words.extend(lines.take_while(|line| line.starts_with("  ")).map(str::trim));
    Some(words.join("; "))
}

/// What the command said: an error whose hint names the release that it needs. In a message it may stand as `Debug` shows it.
fn said_by_the_command(text: &str) -> Option<String> {
    let text = text.replace("\\n", "\n");
    let error = text.split_once("fmountat: ")?.1;
    let mut lines = error.lines();
    let (error, hint) =
        (lines.next()?, lines.find_map(|line| line.trim().strip_prefix("hint: it needs Linux "))?);
    Some(format!("{error}; hint: it needs Linux {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_unsupported_is_no_failure_and_no_success() {
        let text = "thread 'main' panicked at tests/a.rs:1:2:\ncalled `Result::unwrap()` on an `Err` value: \
                    [unsupported] build detached: it can't\n  hint: it needs Linux 6.15\nnote: run with\n";
        let why = String::from("build detached: it can't; hint: it needs Linux 6.15");
        assert_eq!(Outcome::of_failure(text.into()), Outcome::Unsupported(why));
        let command = "panicked at x:1:\nleft: Done { err: \"fmountat: run: it can't\\n  hint: it needs Linux 6.15\\n\" }";
        let why = String::from("run: it can't; hint: it needs Linux 6.15");
        assert!(
            matches!(Outcome::of_failure(command.into()), Outcome::Unsupported(text) if text.starts_with(&why))
        );
        let other = "panicked: [system] create overlay: invalid (EINVAL)";
        assert_eq!(Outcome::of_failure(other.into()), Outcome::Failed(other.into()));
    }
}
