// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Prints results on stdout, errors and messages on stderr, as text or JSON.

use crate::report::{self, Failure};
use fmountat::oci::NotDone;
use fmountat::text::escape;
use fmountat::{Error, Operation, ReplaceDiff};
use serde::Serialize;
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The number of paths that a list on stderr shows; the rest is counted.
const LISTED: usize = 8;

/// Prints a line on stderr. A closed stderr must not cause a second failure.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Escapes the control characters of a path or an option, for a terminal.
pub(crate) fn escaped(text: impl AsRef<OsStr>) -> String {
    escape(text.as_ref().as_bytes())
}

/// Prints an error on stderr.
pub(crate) fn error(error: &Error, json: bool) {
    if json {
        say(&report::json(&Failure { error: report::error(error) }));
    } else {
        say(&format!("fmountat: {error}"));
    }
}

/// Prints a message on stderr that is no error.
pub(crate) fn message(text: &str) {
    say(&format!("fmountat: {text}"));
}

/// Prints a message on stderr that is no error: text, or an object with `--json`.
pub(crate) fn info(text: &str, json: bool) {
    if json { say(&report::json(&report::MessageReport { message: text })) } else { message(text) }
}

/// Prints a span or event of the library, for `--verbose`.
pub(crate) fn event(name: &str, fields: &[(&str, Value)], json: bool) {
    if json {
        say(&report::json(&report::verbose(name, fields)));
    } else {
        let fields = fields.iter().map(|(key, value)| format!(" {key}={value}"));
        message(&format!("{name}{}", fields.collect::<String>()));
    }
}

/// Prints the mounts that were left out. With `--json` they are in the result instead.
pub(crate) fn left_out(numbers: &[usize], json: bool) {
    for number in numbers.iter().filter(|_| !json) {
        message(&format!("mount {number} left out: its source does not exist (nofail)"));
    }
}

/// Prints a result on stdout, only with `--json`. The result holds the ids that unmount what was
/// mounted: if stdout cannot be written to, it is printed on stderr, and the error is returned.
pub(crate) fn result(report: &impl Serialize, json: bool) -> Result<(), Error> {
    if !json {
        return Ok(());
    }
    let text = report::json(report);
    let mut out = std::io::stdout();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|e| {
        say(&text);
        Error::from_io(Operation::WriteResult, "", e)
            .with_hint("everything else succeeded; the result is on stderr")
    })
}

/// Prints the mounts that a swap will drop or leave beneath, on stderr and before the swap. With
/// `--json` the result holds them too.
pub(crate) fn replace_diff(found: &ReplaceDiff, json: bool) {
    if json && !found.is_empty() {
        say(&report::json(&report::replace_diff(found)));
    }
    let lines = [
        (&found.dropped, "no counterpart in the new set, dropped with the old one:"),
        (&found.beneath, "the old set is stacked on another mount, which remains beneath the new one:"),
    ];
    for (places, text) in lines.iter().filter(|_| !json) {
        listed(places, text, |(_, place)| escaped(place), "more");
    }
}

/// Prints the options that `--compat` ignores on stderr, each with the number of its mount.
pub(crate) fn ignored(options: &[(usize, OsString)], json: bool) {
    for (number, option) in options.iter().filter(|_| !json) {
        message(&format!("mount {number}: ignored: {}", escaped(option)));
    }
}

/// Prints the parts of an OCI configuration that are not done, on stderr. With `--json` they are in
/// the result instead.
pub(crate) fn not_done(parts: &[NotDone], json: bool) {
    for NotDone { path, reason, .. } in parts.iter().filter(|_| !json) {
        message(&format!("not done: {path}: {}", escaped(reason)));
    }
}

/// Prints the parts of a configuration that `run` does not do, on stderr.
pub(crate) fn parts_not_done(parts: &[(String, String)], json: bool) {
    if json && !parts.is_empty() {
        say(&report::json(&report::parts_not_done(parts)));
    }
    for (path, reason) in parts.iter().filter(|_| !json) {
        message(&format!("not done: {path}: {}", escaped(reason)));
    }
}

/// Prints the paths that a copy of the host lacks or has read-only, on stderr.
pub(crate) fn not_overlaid(places: &[(PathBuf, String)], json: bool) {
    if json {
        if !places.is_empty() {
            say(&report::json(&report::not_overlaid(places)));
        }
        return;
    }
    let shown = |(path, reason): &(PathBuf, String)| format!("{}: {reason}", escaped(path));
    listed(places, "not overlaid:", shown, "more paths");
}

/// Prints a message for each of the first [`LISTED`] items, and the number of the others.
fn listed<T, S: std::fmt::Display>(all: &[T], text: &str, shown: impl Fn(&T) -> S, more: &str) {
    for one in all.iter().take(LISTED) {
        message(&format!("{text} {}", shown(one)));
    }
    if let Some(rest) = all.len().checked_sub(LISTED).filter(|rest| *rest > 0) {
        message(&format!("{text} {rest} {more}"));
    }
}
