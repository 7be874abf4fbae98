// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mounts in one form, whoever tells of them, so that the answers can be held against each other.

use crate::Outcome;
use fmountat::mountinfo::MountEntry;
use fmountat::table::{Table, TableEntry};
use procfs::process::MountInfo;
use std::collections::BTreeSet;
use std::ffi::OsStr;

/// Target, source, type and the set of all options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    target: String,
    source: String,
    fstype: String,
    options: BTreeSet<String>,
}

fn text(bytes: &OsStr) -> String {
    bytes.to_string_lossy().into_owned()
}

fn words(lists: &[&OsStr]) -> BTreeSet<String> {
    lists.iter().flat_map(|list| text(list).split(',').map(str::to_owned).collect::<Vec<_>>()).collect()
}

pub(crate) fn of_table(table: &Table) -> Vec<Row> {
    let row = |entry: TableEntry<'_>| Row {
        target: text(entry.target().as_os_str()),
        source: text(entry.source()),
        fstype: text(entry.fstype()),
        options: words(&[entry.options(), entry.super_options()]),
    };
    table.iter().map(row).collect()
}

pub(crate) fn of_entries(entries: &[MountEntry]) -> Vec<Row> {
    entries.iter().map(of_entry).collect()
}

pub(crate) fn of_entry(entry: &MountEntry) -> Row {
    Row {
        target: text(entry.target.as_os_str()),
        source: text(&entry.source),
        fstype: text(&entry.fstype),
        options: words(&[&entry.options, &entry.super_options]),
    }
}

pub(crate) fn of_procfs(mounts: &[MountInfo]) -> Vec<Row> {
    mounts.iter().map(of_procfs_mount).collect()
}

pub(crate) fn of_procfs_mount(mount: &MountInfo) -> Row {
    let options = mount.mount_options.iter().chain(&mount.super_options);
    let word = |(name, value): (&String, &Option<String>)| match value {
        Some(value) => format!("{name}={value}"),
        None => name.clone(),
    };
    Row {
        target: text(mount.mount_point.as_os_str()),
        source: mount.mount_source.clone().unwrap_or_default(),
        fstype: mount.fs_type.clone(),
        options: options.map(word).collect(),
    }
}

/// Parses the output of `findmnt --json --list`.
pub(crate) fn of_findmnt(output: &[u8]) -> Outcome<Vec<Row>> {
    let value: serde_json::Value = serde_json::from_slice(output)?;
    let rows = value["filesystems"].as_array().ok_or("findmnt printed another JSON")?;
    let column = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let one = |row| Row {
        target: column(row, "target"),
        source: column(row, "source"),
        fstype: column(row, "fstype"),
        options: words(
            &["vfs-options", "fs-options"].map(|name| column(row, name)).each_ref().map(OsStr::new),
        ),
    };
    Ok(rows.iter().map(one).collect())
}
