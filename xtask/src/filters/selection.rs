// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Selects the test files for all filters.

use super::BINARIES;
use super::options::Options;
use crate::error::{Error, Result};
use crate::repository::{self, TestFile};
use std::path::Path;

/// Builds the tests, writes all of them to `tests` in `work`, and returns the selected ones.
pub(crate) fn select(options: &Options, work: &Path) -> Result<Vec<TestFile>> {
    let built = repository::test_files()?;
    let lines: String = built.iter().map(TestFile::to_string).collect();
    repository::write(work.join("tests"), lines)?;
    let wanted = wanted(&repository::read(BINARIES)?, options.quick, &options.tests);
    choose(built, &wanted)
}

/// Returns the names in the list. A quick run has only those with the mark `quick`.
fn wanted(list: &str, quick: bool, only: &[String]) -> Vec<String> {
    let names = repository::entries(list).filter_map(|line| {
        let mut words = line.split_whitespace();
        let (name, mark) = (words.next()?, words.next());
        (!quick || mark == Some("quick")).then(|| name.to_owned())
    });
    names.filter(|name| only.is_empty() || only.contains(name)).collect()
}

/// Returns the binaries with these names. Fails if one is missing.
fn choose(built: Vec<TestFile>, wanted: &[String]) -> Result<Vec<TestFile>> {
    if wanted.is_empty() {
        return Err(Error::new("no binary that runs under filters has such a name"));
    }
    if let Some(name) = wanted.iter().find(|name| !built.iter().any(|binary| binary.name == **name)) {
        return Err(Error::new(format!("the test file {name} is not there")));
    }
    Ok(built.into_iter().filter(|binary| wanted.contains(&binary.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn quick_runs_have_the_marked_ones() {
        let list = "# all\nrun\nset quick\nwatch quick # why\n";
        assert_eq!(wanted(list, false, &[]), ["run", "set", "watch"]);
        assert_eq!(wanted(list, true, &[]), ["set", "watch"]);
        assert_eq!(wanted(list, false, &owned(&["run", "other"])), ["run"]);
        assert_eq!(wanted(list, true, &owned(&["run", "set"])), ["set"]);
    }

    #[test]
    fn each_wanted_binary_must_be_there() {
        let binary = |name: &str| TestFile { name: name.to_owned(), ..TestFile::default() };
        let built = || ["run", "set", "house"].map(binary).to_vec();
        assert_eq!(choose(built(), &owned(&["set", "run"])).unwrap(), ["run", "set"].map(binary));
        assert_eq!(choose(built(), &owned(&["kill"])).unwrap_err().text, "the test file kill is not there");
        assert!(choose(built(), &[]).unwrap_err().text.contains("no binary"));
    }
}
