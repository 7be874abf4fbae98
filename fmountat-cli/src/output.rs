// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the user sees: results on stdout, errors and notes on stderr, both as text or JSON.

use fmountat::{
    Error, ErrorKind, Holder, HolderKind, MountId, NotCovered, Operation, Syscall, Unmatched, escape,
};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How many places that are not covered are listed; the rest is counted.
const LISTED: usize = 8;

/// A failed write to a closed stderr must not become a second failure.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// An error on stderr.
pub(crate) fn error(error: &Error, json: bool) {
    if json {
        say(&error_value(error).to_string());
    } else {
        say(&format!("fmountat: {error}"));
    }
}

pub(crate) fn error_value(error: &Error) -> Value {
    json!({"error": {
        "code": error.code(),
        "step": error.step(),
        "operation": error.operation().text(),
        "mount": error.mount(),
        "layer": error.layer().map(|layer| layer.to_string()),
        "call": error.call().map(Syscall::name),
        "argument": error.argument().map(|a| text(Path::new(a))),
        "reason": error.reason(),
        "errno": error.errno(),
        "kernel": error.kernel(),
        "output": error.output(),
        "hint": error.hint(),
        "holders": error.holders().iter().map(holder_value).collect::<Value>(),
    }})
}

fn holder_value(holder: &Holder) -> Value {
    let descriptor = match holder.kind {
        HolderKind::Descriptor(number) => Some(number),
        _ => None,
    };
    json!({
        "pid": holder.pid,
        "command": holder.command.to_string_lossy(),
        "kind": holder.kind.name(),
        "descriptor": descriptor,
        "path": holder.kind.path().map(text),
        "in_copy": holder.in_copy,
    })
}

/// What clap says, as our own error.
pub(crate) fn usage_error(error: &clap::Error) -> Error {
    let text = error.to_string();
    let reason = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let made = Error::new(ErrorKind::Usage, Operation::ReadCommandLine, reason);
    let argument = error.context().find(|(kind, _)| *kind == clap::error::ContextKind::InvalidArg);
    let made = match argument {
        Some((_, value)) => made.with_argument(value.to_string()),
        None => made,
    };
    made.with_hint("see --help")
}

/// A note on stderr that is no failure.
pub(crate) fn note(text: &str) {
    say(&format!("fmountat: {text}"));
}

/// A step of the library, with `--verbose`.
pub(crate) fn event(name: &str, fields: &[(&str, Value)], json: bool) {
    if json {
        let fields: serde_json::Map<_, _> =
            fields.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        say(&json!({"event": name, "fields": fields}).to_string());
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
pub(crate) fn result(value: &Value, json: bool) -> Result<(), Error> {
    if !json {
        return Ok(());
    }
    let mut out = std::io::stdout();
    writeln!(out, "{value}").and_then(|()| out.flush()).map_err(|e| {
        say(&value.to_string());
        Error::from_io(Operation::WriteResult, "", e).with_hint("all else was done; the result is on stderr")
    })
}

/// What was done with a path, on stdout.
pub(crate) fn line(what: &str, path: &Path) {
    let _ = writeln!(std::io::stdout(), "{what} {}", escape(path.as_os_str().as_bytes()));
}

/// A place where something may be left of a killed set, or may be somebody else's.
pub(crate) fn uncertain(path: &Path) {
    let path = escape(path.as_os_str().as_bytes());
    note(&format!(
        "not sure: a set was killed while it mounted on {path}, and what is mounted there now may be somebody else's: look, \
         and unmount it"
    ));
}

/// What a swap drops, and what it leaves beneath, on stderr before it is done; in JSON the result has them too.
pub(crate) fn unmatched(found: &Unmatched, json: bool) {
    if json && !found.is_empty() {
        say(&json!({"dropped": places(&found.dropped), "beneath": places(&found.beneath)}).to_string());
    }
    let lines = [
        (&found.dropped, "the new set has no counterpart: with the old one goes"),
        (&found.beneath, "the old set is stacked on another mount, which stays beneath the new one:"),
    ];
    for (places, text) in lines.iter().filter(|_| !json) {
        listed(places, text, |(_, place)| escape(place.as_os_str().as_bytes()), "more");
    }
}

/// Mounts and their places as JSON.
pub(crate) fn places(mounts: &[(MountId, PathBuf)]) -> Value {
    mounts.iter().map(|(id, place)| json!({"id": id.get(), "target": text(place)})).collect()
}

/// The words that `--compat` let pass, each with the number of its mount, on stderr.
pub(crate) fn ignored(words: &[(usize, OsString)], json: bool) {
    for (number, word) in words.iter().filter(|_| !json) {
        note(&format!("mount {number}: ignored: {}", escape(word.as_bytes())));
    }
}

/// The same as JSON.
pub(crate) fn ignored_value(words: &[(usize, OsString)]) -> Value {
    let one = |(number, word): &(usize, OsString)| json!({"mount": number, "word": word.to_string_lossy()});
    words.iter().map(one).collect()
}

/// What a copy of the machine's system does not cover.
pub(crate) fn not_covered(places: &[NotCovered]) {
    let shown =
        |place: &NotCovered| format!("{}: {}", escape(place.path.as_os_str().as_bytes()), place.reason);
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

/// A path in JSON: all of it; bytes that are no UTF-8 become U+FFFD.
pub(crate) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
