// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Small files of /proc and /sys, read as text and numbers; what can't be read is not there.

use std::path::Path;

/// The text of a file, without white space around it.
pub(crate) fn text(path: impl AsRef<Path>) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

pub(crate) fn number(path: impl AsRef<Path>) -> Option<u64> {
    text(path)?.parse().ok()
}

/// A line `Name:` of /proc/self/status.
pub(crate) fn status(text: &str, name: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_status_are_found_by_their_whole_name() {
        let text = "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t3\n";
        assert_eq!(status(text, "Seccomp").as_deref(), Some("2"));
        assert_eq!(status(text, "Sec"), None);
    }
}
