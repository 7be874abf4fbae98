// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Matches the regular expressions of .ci/filters.d/differs: literals, `.`, `*` and `|`.

/// Returns whether [`matches()`] supports all operators of a pattern.
pub(crate) fn is_understood(pattern: &str) -> bool {
    let starts_well = pattern.split('|').all(|alternative| !alternative.starts_with('*'));
    starts_well && !pattern.contains(|c| "()[]{}+?^$\\".contains(c))
}

/// Returns whether an alternative of the pattern matches the text from its start to its end.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    pattern.split('|').any(|alternative| matches_bytes(alternative.as_bytes(), text.as_bytes()))
}

fn matches_bytes(pattern: &[u8], text: &[u8]) -> bool {
    let accepts = |one: u8, byte: u8| one == b'.' || one == byte;
    match pattern {
        [] => text.is_empty(),
        [one, b'*', rest @ ..] => {
            let most = text.iter().take_while(|byte| accepts(*one, **byte)).count();
            (0..=most).any(|count| matches_bytes(rest, &text[count..]))
        }
        [one, rest @ ..] => match text {
            [first, more @ ..] => accepts(*one, *first) && matches_bytes(rest, more),
            [] => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_the_text_must_match() {
        assert!(matches("old-release.*", "old-release"));
        assert!(matches("old-release.*", "old-release-and-calls"));
        assert!(!matches("old-release.*", "no-old-release"));
        assert!(matches(".*", "") && matches(".*", "a"));
        assert!(matches("a.c", "abc") && !matches("a.c", "ac"));
        assert!(matches("ab*c", "ac") && matches("ab*c", "abbc") && !matches("ab*c", "adc"));
        assert!(matches("a|b.*", "a") && matches("a|b.*", "bc") && !matches("a|b.*", "ac"));
        assert!(matches(".*a.*b", "xxaxab") && !matches(".*a.*b", "xxaxabc"));
    }

    #[test]
    fn other_operators_are_refused() {
        assert!(is_understood("old-release.*|a_b"));
        for pattern in ["a+", "(a|b)", "[ab]", "^a", "a$", "a?", "a{2}", "a\\.", "*a", "a|*b"] {
            assert!(!is_understood(pattern), "{pattern}");
        }
    }
}
