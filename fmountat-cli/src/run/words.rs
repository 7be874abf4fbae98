// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finds where COMMAND begins in the words of `fmountat run`.
//!
//! A word directly before `--` is SPEC. Without `--`, all words after the options are COMMAND if
//! the options name a root (`--lower`, `--bundle`); otherwise the first one is SPEC.

use crate::run_args::RunArgs;
use clap::{Args, Command};
use std::ffi::OsString;

/// Inserts the `--` before COMMAND, where the command line of `run` has none. Other command lines
/// are returned unchanged, wrong ones too.
pub(crate) fn with_separator(mut words: Vec<OsString>) -> Vec<OsString> {
    let is_option = |word: &OsString| word.as_encoded_bytes().starts_with(b"-");
    let verb = words.iter().skip(1).position(|word| !is_option(word)).map_or(0, |at| at + 1);
    if words.get(verb).is_some_and(|word| word == "run") {
        if let Some(at) = command_at(&words[verb + 1..]) {
            words.insert(verb + 1 + at, "--".into());
        }
    }
    words
}

/// Returns the index of the first word of COMMAND, if no `--` precedes it.
fn command_at(words: &[OsString]) -> Option<usize> {
    let options = RunArgs::augment_args(Command::new("run"));
    let (mut at, mut has_root) = (0, false);
    while let Some(word) = words.get(at) {
        let text = word.to_str().unwrap_or_default();
        if text == "--" {
            return None;
        } else if text.len() > 1 && text.starts_with('-') {
            has_root |= matches!(text.split('=').next(), Some("--lower" | "--bundle"));
            at += 1 + values_after(&options, text);
        } else if words.get(at + 1).is_some_and(|next| next == "--") {
            return None;
        } else if has_root {
            return Some(at);
        } else {
            has_root = true;
            at += 1;
        }
    }
    None
}

/// Returns how many of the next words are values of the option.
fn values_after(options: &Command, text: &str) -> usize {
    let (name, has_value) = match text.split_once('=') {
        Some((name, _)) => (name, true),
        None => (text, false),
    };
    let long = name.strip_prefix("--");
    let short = name.strip_prefix('-').and_then(|rest| rest.chars().next());
    let found = options.get_arguments().find(|arg| match long {
        Some(long) => arg.get_long() == Some(long),
        None => arg.get_short().is_some() && arg.get_short() == short,
    });
    let Some(option) = found.filter(|option| option.get_action().takes_values()) else { return 0 };
    // -CDIR has its value in the same word.
    let is_attached = has_value || long.is_none() && name.chars().count() > 2;
    if is_attached { 0 } else { option.get_num_args().map_or(1, |range| range.min_values()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_begins_after_the_root() {
        for (line, want) in [
            ("run --lower / ls -l", "run --lower / -- ls -l"),
            ("run --lower=/ ls -- -l", "run --lower=/ ls -- -l"),
            ("run --lower / git log -- x", "run --lower / -- git log -- x"),
            ("run --lower / -- ls --json", "run --lower / -- ls --json"),
            ("run list.json ls -l", "run list.json -- ls -l"),
            ("run list.json -- ls", "run list.json -- ls"),
            ("run - sh", "run - -- sh"),
            ("run -C dir list.json --bind a ls x", "run -C dir list.json --bind a -- ls x"),
            ("run -Cdir --lower a --lower b ls", "run -Cdir --lower a --lower b -- ls"),
            ("run --lower a list.json -- ls", "run --lower a list.json -- ls"),
            ("--json run -q --lower / --setenv A B ls A", "--json run -q --lower / --setenv A B -- ls A"),
            ("run --lower / --map-auto --root id", "run --lower / --map-auto --root -- id"),
            ("run --bundle dir", "run --bundle dir"),
            ("run --bundle dir ls -l", "run --bundle dir -- ls -l"),
            ("run --lower /", "run --lower /"),
            ("run list.json", "run list.json"),
            ("run", "run"),
            ("list run ls ls", "list run ls ls"),
            ("", ""),
        ] {
            let words = |line: &str| -> Vec<OsString> {
                std::iter::once("fmountat").chain(line.split_whitespace()).map(OsString::from).collect()
            };
            assert_eq!(with_separator(words(line)), words(want), "{line}");
        }
    }
}
