// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the user sees: results on stdout, errors and notes on stderr, both as text or JSON.

use crate::report::{self, Failure};
use fmountat::text::escape;
use fmountat::{Error, ErrorKind, Operation, ReplaceDiff};
use serde::Serialize;
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How many places that are not covered are listed; the rest is counted.
const LISTED: usize = 8;

/// A failed write to a closed stderr must not become a second failure.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A path or an option as a terminal may show it.
pub(crate) fn escaped(text: impl AsRef<OsStr>) -> String {
    escape(text.as_ref().as_bytes())
}

/// An error on stderr.
pub(crate) fn error(error: &Error, json: bool) {
    if json {
        say(&report::json(&Failure { error: report::error(error) }));
    } else {
        say(&format!("fmountat: {error}"));
    }
}

/// What clap says, as our own error.
pub(crate) fn usage_error(error: &clap::Error) -> Error {
    let text = error.to_string();
    let reason = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let made = Error::new(ErrorKind::Usage, Operation::ReadCommandLine, reason);
    let argument = error.context().find(|(kind, _)| *kind == clap::error::ContextKind::InvalidArg);
    let made = argument.iter().fold(made, |made, (_, value)| made.with_argument(value.to_string()));
    made.with_hint("see --help")
}

/// A note on stderr that is no failure.
pub(crate) fn note(text: &str) {
    say(&format!("fmountat: {text}"));
}

/// A step of the library, with `--verbose`.
pub(crate) fn event(name: &str, fields: &[(&str, Value)], json: bool) {
    if json {
        say(&report::json(&report::verbose(name, fields)));
    } else {
        let fields = fields.iter().map(|(key, value)| format!(" {key}={value}"));
        note(&format!("{name}{}", fields.collect::<String>()));
    }
}

/// The mounts that were left out; in JSON the result has them.
pub(crate) fn left_out(numbers: &[usize], json: bool) {
    for number in numbers.iter().filter(|_| !json) {
        note(&format!("mount {number} left out: its source does not exist (nofail)"));
    }
}

/// A result on stdout, only with `--json`: without it success is silent. It has the ids that take down what was mounted, so
/// one that can't be written goes to stderr, and is a failure.
pub(crate) fn result(report: &impl Serialize, json: bool) -> Result<(), Error> {
    if !json {
        return Ok(());
    }
    let text = report::json(report);
    let mut out = std::io::stdout();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|e| {
        say(&text);
        Error::from_io(Operation::WriteResult, "", e)
            .with_hint("the operation itself succeeded; its result is on stderr")
    })
}

/// What was done with a path, on stdout.
pub(crate) fn line(what: &str, path: &Path) {
    let _ = writeln!(std::io::stdout(), "{what} {}", escaped(path));
}

/// What a swap drops, and what it leaves beneath, on stderr before it is done; in JSON the result has them too.
pub(crate) fn unmatched(found: &ReplaceDiff, json: bool) {
    if json && !found.is_empty() {
        say(&report::json(&report::unmatched(found)));
    }
    let lines = [
        (&found.dropped, "not in the new set, unmounted with the old one:"),
        (&found.beneath, "below the old set, remains beneath the new one:"),
    ];
    for (places, text) in lines.iter().filter(|_| !json) {
        listed(places, text, |(_, place)| escaped(place), "more");
    }
}

/// The words that `--compat` let pass, each with the number of its mount, on stderr.
pub(crate) fn ignored(options: &[(usize, OsString)], json: bool) {
    for (number, option) in options.iter().filter(|_| !json) {
        note(&format!("mount {number}: ignored: {}", escaped(option)));
    }
}

/// What a copy of the machine's system does not cover.
pub(crate) fn not_covered(places: &[(PathBuf, String)]) {
    let shown = |(path, reason): &(PathBuf, String)| format!("{}: {reason}", escaped(path));
    listed(places, "not covered:", shown, "more places");
}

/// A note for each of the first; the rest is counted.
fn listed<T, S: std::fmt::Display>(all: &[T], text: &str, shown: impl Fn(&T) -> S, more: &str) {
    for one in all.iter().take(LISTED) {
        note(&format!("{text} {}", shown(one)));
    }
    if let Some(rest) = all.len().checked_sub(LISTED).filter(|rest| *rest > 0) {
        note(&format!("{text} {rest} {more}"));
    }
}
