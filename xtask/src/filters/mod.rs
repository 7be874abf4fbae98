// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `filters`: runs test files under each seccomp filter of testing/src/profile.rs.

mod differs;
mod judge;
mod kept;
mod options;
mod pattern;
mod run;
mod selection;

use crate::command;
use crate::error::Result;
use crate::output;
use crate::repository;
use differs::Expected;
use judge::Judged;
use options::{NO_FILTER, Options};

const BINARIES: &str = ".ci/filters.d/binaries";

const DIFFERS: &str = ".ci/filters.d/differs";

/// The kept table of counts, which `--page` writes.
const TABLE: &str = ".ci/baseline/filters.tsv";

const PROFILES: &str = "testing/src/profile.rs";

/// The oldest kernel on which the kept table holds. Older ones support fewer cases.
const TABLES_KERNEL: (u32, u32) = (6, 15);

/// Runs the tests without a filter and under each filter. Returns whether all of them passed.
pub(crate) fn run(words: &[String]) -> Result<bool> {
    let known = options::names_in(&repository::read(PROFILES)?);
    let options = Options::new(words, &known)?;
    let work = repository::top()?.join("target/filters");
    repository::recreate(&work)?;
    let tests = selection::select(&options, &work)?;
    let expected = Expected::parse(&repository::read(DIFFERS)?)?;
    let compares = !options.page && release()? >= TABLES_KERNEL;
    let kept = if compares { repository::read(TABLE)? } else { String::new() };
    let mut passed = true;
    let mut all = Vec::new();
    for filter in std::iter::once(NO_FILTER).chain(options.filters.iter().map(String::as_str)) {
        let (results, seconds) = run::under(filter, &tests, &work)?;
        let judged = Judged::new(filter, &results, &expected);
        repository::write(work.join(format!("{filter}.tsv")), judged.lines())?;
        judged.failures.iter().for_each(|line| output::error_line(line));
        output::line(&judged.summary(seconds));
        let grown = kept::more_unsupported(&kept, &judged);
        grown.iter().for_each(|line| output::error_line(line));
        passed &= judged.passed() && grown.is_empty();
        all.push(judged);
    }
    if options.page {
        let before = repository::read_if_there(TABLE)?.unwrap_or_default();
        let binaries: Vec<&str> = tests.iter().map(|test| test.name.as_str()).collect();
        repository::write(TABLE, kept::update(&before, &all, &binaries))?;
    }
    Ok(passed)
}

/// Returns the first two numbers of this kernel's release.
fn release() -> Result<(u32, u32)> {
    Ok(numbers(&command::read(command::new("uname").arg("-r"))?))
}

fn numbers(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_by_their_numbers() {
        assert_eq!(numbers("6.18.44-fc-v669\n"), (6, 18));
        assert_eq!(numbers("7.0-rc1"), (7, 0));
        assert!(numbers("6.1.0-50-cloud-amd64") < TABLES_KERNEL);
        assert!(numbers("6.15.0") >= TABLES_KERNEL);
    }
}
