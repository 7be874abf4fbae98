// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The mount table as findmnt(8) prints it, and ours in the same form.

use fmountat::table::{Table, TableEntry};
use fmountat_testing::command_output;
use serde_json::Value;
use std::ffi::OsStr;
use std::process::Command;

const COLUMNS: &str = "ID,PARENT,MAJ:MIN,FSROOT,TARGET,VFS-OPTIONS,FSTYPE,SOURCE,FS-OPTIONS,PROPAGATION";

/// The values of one mount, in the order of [`COLUMNS`].
pub(crate) type Row = Vec<String>;

/// Returns the rows of findmnt(8).
pub(crate) fn entries() -> Vec<Row> {
    let mut command = Command::new("findmnt");
    let text =
        command_output(command.args(["--kernel", "--json", "--list", "--nofsroot", "--output", COLUMNS]));
    let value: Value = serde_json::from_str(&text).unwrap();
    let column = |row: &Value, name: &str| match &row[name.to_lowercase()] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let rows = value["filesystems"].as_array().unwrap().iter();
    rows.map(|row| COLUMNS.split(',').map(|name| column(row, name)).collect()).collect()
}

/// Returns the same rows from our table.
pub(crate) fn as_findmnt(table: &Table) -> Vec<Row> {
    table.iter().map(row).collect()
}

fn row(entry: TableEntry<'_>) -> Row {
    let (major, minor) = entry.device().unwrap();
    let text = |bytes: &OsStr| shown(bytes.as_encoded_bytes());
    vec![
        entry.mountinfo_id().to_string(),
        entry.parent_mountinfo_id().to_string(),
        format!("{major}:{minor}"),
        text(entry.root().as_os_str()),
        text(entry.target().as_os_str()),
        text(entry.options()),
        text(entry.fstype()),
        text(entry.source()),
        text(entry.super_options()),
        propagation(&entry),
    ]
}

/// Converts bytes to text as in the JSON of findmnt 2.38, after the JSON reader has replaced
/// invalid UTF-8.
fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn propagation(entry: &TableEntry<'_>) -> String {
    let first = if entry.shared().is_some() { "shared" } else { "private" };
    let slave = if entry.master().is_some() { ",slave" } else { "" };
    let unbindable = if entry.is_unbindable() { ",unbindable" } else { "" };
    format!("{first}{slave}{unbindable}")
}
