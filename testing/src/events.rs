// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Collects the spans and events that fmountat emits for `tracing`, as lines of text.

use std::fmt::{self, Write};
use std::process;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Runs `body`. Returns also its spans and events that begin with one of `names`, each as a line
/// `NAME FIELD=VALUE...`.
pub fn events_of<T>(names: &[&str], body: impl FnOnce() -> T) -> (T, Vec<String>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let subscriber = Lines { lines: Arc::clone(&lines), pid: process::id() };
    let done = tracing::subscriber::with_default(subscriber, body);
    let mut lines = std::mem::take(&mut *lines.lock().unwrap());
    lines.retain(|line| names.iter().any(|name| line.starts_with(name)));
    (done, lines)
}

struct Lines {
    lines: Arc<Mutex<Vec<String>>>,
    pid: u32,
}

impl Lines {
    fn add(&self, name: &str, level: Level, record: impl FnOnce(&mut Line)) {
        let mut line = Line { name: name.to_owned(), fields: String::new() };
        record(&mut line);
        let mut text = format!("{}{}", line.name, line.fields);
        if level != Level::DEBUG {
            write!(text, " ({level})").unwrap();
        }
        if process::id() != self.pid {
            text.push_str(" (in a child process)");
        }
        self.lines.lock().unwrap().push(text);
    }
}

struct Line {
    name: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.name = format!("{value:?}"),
            name => write!(self.fields, " {name}={value:?}").unwrap(),
        }
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "fmountat"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.add(span.metadata().name(), *span.metadata().level(), |line| span.record(line));
        Id::from_u64(1)
    }

    fn event(&self, event: &Event<'_>) {
        self.add("", *event.metadata().level(), |line| event.record(line));
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
