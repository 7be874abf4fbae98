// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Replaces the results of a few test files in those of an earlier run.

use std::collections::HashSet;

/// Returns the lines of `before` without the binaries of `again`, then those of `again`.
///
/// The result is complete if `again` is. Its time is the sum over all binaries.
pub(crate) fn merge(before: &str, again: &str) -> String {
    let replaced: HashSet<&str> = again.lines().filter_map(|line| line.strip_prefix("binary ")).collect();
    let is_complete = again.lines().any(|line| first_word(line) == "done");
    let mut merged = Merged::default();
    let mut binary = "";
    for line in before.lines() {
        binary = line.strip_prefix("binary ").unwrap_or(binary);
        if first_word(line) == "kernel" || !replaced.contains(binary) {
            merged.add(line);
        }
    }
    again.lines().for_each(|line| merged.add(line));
    if is_complete {
        merged.text += &format!("done {}\n", merged.seconds);
    }
    merged.text
}

#[derive(Default)]
struct Merged {
    text: String,
    seconds: u64,
    has_kernel: bool,
}

impl Merged {
    /// Adds a line, except a second `kernel` and any `done`.
    fn add(&mut self, line: &str) {
        match first_word(line) {
            "done" => return,
            "kernel" if self.has_kernel => return,
            "kernel" => self.has_kernel = true,
            "end" => self.seconds += line.split(' ').nth(3).and_then(|s| s.parse().ok()).unwrap_or(0),
            _ => {}
        }
        self.text += line;
        self.text.push('\n');
    }
}

fn first_word(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "kernel 6.1\nbinary run\ncase a passed 1.00 \nend run 0 10\n\
                          binary set\ncase b failed 1.00 x\nend set 101 20\n\
                          binary unit\nplain c ok\nend unit 0 1\ndone 31\n";

    #[test]
    fn results_of_the_same_binary_are_replaced() {
        let again = "kernel 6.1\nbinary set\ncase b passed 2.00 \nend set 0 5\ndone 5\n";
        assert_eq!(
            merge(BEFORE, again),
            "kernel 6.1\nbinary run\ncase a passed 1.00 \nend run 0 10\nbinary unit\nplain c ok\nend unit 0 1\n\
             binary set\ncase b passed 2.00 \nend set 0 5\ndone 16\n"
        );
    }

    #[test]
    fn a_new_binary_is_added() {
        let merged =
            merge("kernel 6.1\nbinary a\nend a 0 1\ndone 1\n", "kernel 6.1\nbinary b\nend b 0 2\ndone 2\n");
        assert_eq!(merged, "kernel 6.1\nbinary a\nend a 0 1\nbinary b\nend b 0 2\ndone 3\n");
    }

    #[test]
    fn a_run_that_broke_off_makes_the_whole_incomplete() {
        let merged = merge(BEFORE, "kernel 6.1\nbinary set\n");
        assert!(merged.ends_with("end unit 0 1\nbinary set\n"), "{merged}");
        assert!(merge("", "binary a\nend a 0 1\n").ends_with("end a 0 1\n"));
        // The earlier run is incomplete, the later one is complete.
        assert!(merge("binary a\n", "binary b\nend b 0 4\ndone 4\n").ends_with("done 4\n"));
    }
}
