// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Parses .ci/filters.d/differs: cases that may fail under a filter.

use super::options::NO_FILTER;
use super::{DIFFERS, pattern};
use crate::error::{Error, Result};

/// The three patterns of each line `BINARY CASE FILTERS REASON`.
#[derive(Debug)]
pub(crate) struct Expected(Vec<[String; 3]>);

impl Expected {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut lines = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
            let words: Vec<&str> = line.split_whitespace().take(3).collect();
            let [binary, case, filters] = words.as_slice() else {
                return Err(Error::new(format!("{DIFFERS}: `{line}`: not BINARY CASE FILTERS REASON")));
            };
            if let Some(bad) = words.iter().find(|word| !pattern::is_understood(word)) {
                let text = format!("{DIFFERS}: `{bad}`: only literals, `.`, `*` and `|` are understood");
                return Err(Error::new(text));
            }
            lines.push([binary, case, filters].map(|word| (*word).to_owned()));
        }
        Ok(Self(lines))
    }

    /// Returns whether this case may fail under this filter. Without a filter none may.
    pub(crate) fn names(&self, binary: &str, case: &str, filter: &str) -> bool {
        let found = |line: &[String; 3]| {
            line.iter().zip([binary, case, filter]).all(|(pattern, text)| pattern::matches(pattern, text))
        };
        filter != NO_FILTER && self.0.iter().any(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_cases_under_filters() {
        let text =
            "# comment\n\nexplain in_a_user.* old-release.* no overlay # there\npid_namespace .* .* all\n";
        let expected = Expected::parse(text).unwrap();
        assert!(expected.names("explain", "in_a_user_namespace", "old-release-and-calls"));
        assert!(!expected.names("explain", "other", "old-release"));
        assert!(!expected.names("explain", "in_a_user_namespace", "statmount-killed"));
        assert!(expected.names("pid_namespace", "any", "statmount-killed"));
        assert!(!expected.names("pid_namespace", "any", "none"));
    }

    #[test]
    fn a_bad_line_is_an_error_that_quotes_it() {
        let error = Expected::parse("a b\n").unwrap_err();
        assert!(error.text.contains("`a b`"), "{}", error.text);
        let error = Expected::parse("a (b) c why\n").unwrap_err();
        assert!(error.text.contains("`(b)`"), "{}", error.text);
        // The reason is free text.
        Expected::parse("a b c why (so)\n").unwrap();
    }

    #[test]
    fn the_repositorys_list_is_understood() {
        Expected::parse(include_str!("../../../.ci/filters.d/differs")).unwrap();
    }
}
