// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Selects the test files for all kernels.

use super::LISTS;
use super::options::Options;
use crate::error::{Error, Result};
use crate::repository::{self, TestFile};
use std::path::Path;

/// Builds the tests, and writes the selected ones to `tests` in the directory `work`.
pub(crate) fn select(options: &Options, work: &Path) -> Result<Vec<TestFile>> {
    let all = repository::test_files()?;
    repository::write(work.join("tests.all"), lines(&all))?;
    let not_here = list("not-here")?;
    let wanted = if options.quick { quick()? } else { options.tests.clone() };
    let chosen = choose(all, &not_here, &wanted);
    if chosen.is_empty() {
        return Err(Error::new("no test file has such a name"));
    }
    repository::write(work.join("tests"), lines(&chosen))?;
    Ok(chosen)
}

/// Returns the names of the binaries that `--quick` runs.
pub(crate) fn quick() -> Result<Vec<String>> {
    list("quick")
}

fn list(name: &str) -> Result<Vec<String>> {
    let text = repository::read(Path::new(LISTS).join(name))?;
    Ok(repository::entries(&text).map(str::to_owned).collect())
}

/// Returns the binaries that are in `wanted` and not in `not_here`.
///
/// An empty `wanted` stands for all.
fn choose(all: Vec<TestFile>, not_here: &[String], wanted: &[String]) -> Vec<TestFile> {
    let runs = |name: &String| !not_here.contains(name) && (wanted.is_empty() || wanted.contains(name));
    all.into_iter().filter(|binary| runs(&binary.name)).collect()
}

fn lines(binaries: &[TestFile]) -> String {
    binaries.iter().map(TestFile::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(not_here: &[&str], wanted: &[&str]) -> Vec<String> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let all = owned(&["house", "set", "private_namespace"])
            .into_iter()
            .map(|name| TestFile { name, ..TestFile::default() });
        choose(all.collect(), &owned(not_here), &owned(wanted))
            .into_iter()
            .map(|binary| binary.name)
            .collect()
    }

    #[test]
    fn a_binary_runs_if_it_is_wanted_and_not_ruled_out() {
        assert_eq!(chosen(&["house"], &[]), ["set", "private_namespace"]);
        assert_eq!(chosen(&["house"], &["private_namespace", "house"]), ["private_namespace"]);
        assert_eq!(chosen(&[], &["stag"]), [""; 0]);
    }
}
