// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command line and the environment of `filters`.

use crate::error::{Error, Result};
use crate::repository;

const USAGE: &str =
    "Runs the test files named in .ci/filters.d/binaries without a filter, then under each seccomp filter of
testing/src/profile.rs, and counts how their cases end.

  .ci/filters [--quick] [--page] [FILTER...]      all filters without one

--quick runs the few binaries that are marked so, TESTS='explain set' only these, whose results take the place of those that an
earlier run had; --page writes .ci/baseline/filters.tsv. The exit status is 1 if a case failed that .ci/filters.d/differs does not
name, a binary ended badly without one that it names, or more cases are unsupported than in .ci/baseline/filters.tsv.";

/// The name of the run without a filter.
pub(crate) const NO_FILTER: &str = "none";

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    pub(crate) page: bool,
    pub(crate) filters: Vec<String>,
    /// `TESTS`: only these binaries; all if it is empty.
    pub(crate) tests: Vec<String>,
}

impl Options {
    /// Parses the command line. `known` has the names of all filters.
    pub(crate) fn new(words: &[String], known: &[String]) -> Result<Self> {
        if known.is_empty() {
            return Err(Error::new(format!("no filter found in {}", super::PROFILES)));
        }
        let tests = repository::words_of("TESTS");
        let mut options = Self { quick: false, page: false, filters: Vec::new(), tests };
        for word in words {
            match word.as_str() {
                "--quick" => options.quick = true,
                "--page" => options.page = true,
                option if option.starts_with('-') => return Err(Error::usage(USAGE)),
                _ => options.filters.push(word.clone()),
            }
        }
        if let Some(unknown) = options.filters.iter().find(|filter| !known.contains(filter)) {
            return Err(Error::usage(format!("there is no filter {unknown}, but {}", known.join(" "))));
        }
        if options.filters.is_empty() {
            options.filters = known.to_vec();
        }
        Ok(options)
    }
}

/// Returns the names of the filters in the source of the test harness: `profile("NAME", ...)`.
pub(crate) fn names_in(source: &str) -> Vec<String> {
    let calls = source.split("profile(").skip(1);
    let name =
        |call: &str| call.trim_start().strip_prefix('"')?.split_once('"').map(|(name, _)| name.to_owned());
    calls.filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(words: &[&str]) -> Result<Options> {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        Options::new(&owned(words), &owned(&["a-eperm", "b-killed"]))
    }

    #[test]
    fn without_a_filter_all_are_meant() {
        let all = options(&["--quick"]).unwrap();
        assert!(all.quick && !all.page);
        assert_eq!(all.filters, ["a-eperm", "b-killed"]);
        assert_eq!(options(&["b-killed", "--page"]).unwrap().filters, ["b-killed"]);
    }

    #[test]
    fn unknown_words_are_usage_errors() {
        assert!(options(&["--fast"]).unwrap_err().text.contains("[--quick] [--page]"));
        let error = options(&["a-eperm", "c"]).unwrap_err();
        assert_eq!((error.text.as_str(), error.status), ("there is no filter c, but a-eperm b-killed", 2));
        assert_eq!(Options::new(&[], &[]).unwrap_err().status, 1);
    }

    #[test]
    fn filters_are_found_in_the_source() {
        let source = "    profile(\n        \"a\",\n  &[]),\n Profile { ..profile(\"b\", X) },\nconst fn profile(name: &str)";
        assert_eq!(names_in(source), ["a", "b"]);
    }
}
