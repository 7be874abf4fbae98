// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Differences between two snapshots of one mount namespace.

use crate::table::fields::Fields;
use crate::table::snapshot::{Table, TableEntry};
use std::collections::HashMap;

/// A difference: see [`Table::diff`].
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// A mount that only the later table has.
    Added(TableEntry<'a>),
    /// A mount that only the earlier table has.
    Removed(TableEntry<'a>),
    /// A mount with a new parent or a new target.
    Moved {
        /// The earlier entry.
        from: TableEntry<'a>,
        /// The later entry.
        to: TableEntry<'a>,
    },
    /// A mount whose options, propagation or id mappings changed.
    Changed {
        /// The earlier entry.
        from: TableEntry<'a>,
        /// The later entry.
        to: TableEntry<'a>,
    },
}

impl Table {
    /// Returns the changes from this table to `later`: removed mounts, the newest first; then moved
    /// and changed ones, twice if both apply; then added ones.
    ///
    /// Compares only the fields that both tables hold. Identifies mounts by their unique ids if
    /// both tables have them, else by mountinfo ids, which the kernel reuses: a mount with another
    /// device, type, root or source is then a different mount. A mount that was unmounted and
    /// mounted again identically between the snapshots is then not detected.
    #[must_use]
    pub fn diff<'a>(&'a self, later: &'a Table) -> Vec<Change<'a>> {
        let both = self.fields & later.fields;
        let key = |entry: &TableEntry<'_>| match both.contains(Fields::UNIQUE_ID) {
            true => entry.record().unique,
            false => entry.record().id,
        };
        let is_same = |a: &TableEntry<'_>, b: &TableEntry<'_>| {
            both.contains(Fields::UNIQUE_ID) || (identity(a, both) == identity(b, both))
        };
        let before: HashMap<u64, TableEntry<'a>> = self.iter().map(|entry| (key(&entry), entry)).collect();
        let after: HashMap<u64, TableEntry<'a>> = later.iter().map(|entry| (key(&entry), entry)).collect();
        let same_in = |table: &HashMap<u64, TableEntry<'a>>, entry: &TableEntry<'a>| {
            table.get(&key(entry)).copied().filter(|other| is_same(entry, other))
        };
        let removed = self.iter().rev().filter(|entry| same_in(&after, entry).is_none());
        let mut changes: Vec<Change<'a>> = removed.map(Change::Removed).collect();
        let mut added = Vec::new();
        for to in later.iter() {
            let Some(from) = same_in(&before, &to) else {
                added.push(Change::Added(to));
                continue;
            };
            if from.record().parent != to.record().parent || from.target_in(both) != to.target_in(both) {
                changes.push(Change::Moved { from, to });
            }
            if state(&from, both) != state(&to, both) {
                changes.push(Change::Changed { from, to });
            }
        }
        changes.extend(added);
        changes
    }
}

impl<'a> TableEntry<'a> {
    fn target_in(&self, both: Fields) -> Option<&'a std::path::Path> {
        both.contains(Fields::TARGET).then(|| self.target())
    }
}

/// Returns the properties that never change during the life of a mount.
fn identity<'a>(entry: &TableEntry<'a>, both: Fields) -> impl PartialEq + use<'a> {
    (
        both.contains(Fields::DEVICE).then(|| entry.record().device),
        both.contains(Fields::ROOT).then(|| entry.root()),
        both.contains(Fields::FSTYPE).then(|| entry.fstype()),
        both.contains(Fields::SOURCE).then(|| entry.source()),
    )
}

fn state<'a>(entry: &TableEntry<'a>, both: Fields) -> impl PartialEq + use<'a> {
    let own = (entry.options(), entry.shared(), entry.master(), entry.is_unbindable());
    let file_system = (
        both.contains(Fields::SUPER_OPTIONS).then(|| entry.super_options()),
        both.contains(Fields::PROPAGATE_FROM).then(|| entry.propagate_from()),
        both.contains(Fields::IDMAP).then(|| (entry.uid_map(), entry.gid_map())),
    );
    (own, file_system, identity(entry, both))
}

#[cfg(test)]
mod tests {
    use super::super::by_mountinfo::parse;
    use super::*;

    fn table(lines: &[&str]) -> Table {
        parse(lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect()).unwrap()
    }

    fn texts(changes: &[Change<'_>]) -> Vec<String> {
        let text = |change: &Change<'_>| match change {
            Change::Added(entry) => format!("+{}", entry.mountinfo_id()),
            Change::Removed(entry) => format!("-{}", entry.mountinfo_id()),
            Change::Moved { from, to } => format!("{} to {}", from.target().display(), to.target().display()),
            Change::Changed { from, to } => format!("{:?} to {:?}", from.options(), to.options()),
        };
        changes.iter().map(text).collect()
    }

    #[test]
    fn each_kind_of_change() {
        let before = table(&[
            "1 0 0:1 / / rw - ext4 d rw",
            "2 1 0:2 / /a rw - tmpfs t rw",
            "3 2 0:3 / /a/b rw - tmpfs t rw",
            "4 1 0:4 / /c rw - tmpfs t rw",
            "5 1 0:5 / /d rw - tmpfs t rw",
        ]);
        let after = table(&[
            "1 0 0:1 / / ro - ext4 d rw",
            "4 1 0:4 / /moved rw - tmpfs t rw",
            "5 1 0:9 / /d rw - tmpfs t rw",
            "7 1 0:2 / /a rw - tmpfs t rw",
        ]);
        let want = ["-5", "-3", "-2", "\"rw\" to \"ro\"", "/c to /moved", "+5", "+7"];
        assert_eq!(texts(&before.diff(&after)), want);
        assert!(before.diff(&before).is_empty());
    }
}
