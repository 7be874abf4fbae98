// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs test files under one filter.

use super::options::NO_FILTER;
use crate::command;
use crate::error::{At, Result};
use crate::output::Clock;
use crate::repository::{self, TestFile};
use crate::results::{self, Results};
use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

/// The default of `FMOUNTAT_TEST_SECONDS`, the time limit of a case.
const CASE_SECONDS: &str = "40";

/// Runs each binary. Writes `FILTER.results` and `FILTER.BINARY.log` in `work`.
///
/// Returns the results and the time of all binaries in seconds.
pub(crate) fn under(filter: &str, tests: &[TestFile], work: &Path) -> Result<(Results, u64)> {
    let clock = Clock::start();
    let path = work.join(format!("{filter}.results"));
    let mut results = fs::File::options().create(true).append(true).open(&path).at("create", &path)?;
    for test in tests {
        writeln!(results, "binary {}", test.name).at("write", &path)?;
        let log = work.join(format!("{filter}.{}.log", test.name));
        let file = fs::File::create(&log).at("create", &log)?;
        let both = file.try_clone().at("duplicate the descriptor of", &log)?;
        let mut command = command::new(&test.program);
        command.args(&test.filter);
        command.current_dir(&test.directory).stdin(Stdio::null()).stdout(file).stderr(both);
        command.env_remove("FMOUNTAT_NO_SKIP").env("FMOUNTAT_RESULTS", &path);
        command.env("FMOUNTAT_FILTER", if filter == NO_FILTER { "" } else { filter });
        if std::env::var_os("FMOUNTAT_TEST_SECONDS").is_none_or(|seconds| seconds.is_empty()) {
            command.env("FMOUNTAT_TEST_SECONDS", CASE_SECONDS);
        }
        let status = command::status(&mut command)?;
        writeln!(results, "end {} {}", test.name, number(status)).at("write", &path)?;
    }
    Ok((results::parse(&repository::read(&path)?), clock.seconds()))
}

/// Returns the status as a shell does: 128 plus the number of the signal.
fn number(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Outcome;
    use crate::scratch::Scratch;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_status_is_a_shells() {
        assert_eq!(number(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(number(ExitStatus::from_raw(9)), 137);
    }

    #[test]
    fn a_binary_gets_the_filter_and_writes_its_cases() {
        let scratch = Scratch::new("under");
        let program = scratch.path().join("program");
        let script = "#!/bin/sh\necho log $1\necho \"case [$FMOUNTAT_FILTER] passed 0.01 \" >> \"$FMOUNTAT_RESULTS\"\nexit 3\n";
        repository::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let test = TestFile {
            directory: scratch.path().display().to_string(),
            name: "set".to_owned(),
            program: program.display().to_string(),
            filter: Some("set::".to_owned()),
        };
        for (filter, case) in [("none", "[]"), ("x-eperm", "[x-eperm]")] {
            let (results, _) = under(filter, std::slice::from_ref(&test), scratch.path()).unwrap();
            let [binary] = results.binaries.as_slice() else { panic!("{results:?}") };
            assert_eq!((binary.name.as_str(), binary.status.as_deref()), ("set", Some("3")));
            assert_eq!((binary.cases[0].name.as_str(), binary.cases[0].outcome), (case, Outcome::Passed));
            let log = scratch.path().join(format!("{filter}.set.log"));
            assert_eq!(repository::read(log).unwrap(), "log set::\n");
        }
    }
}
