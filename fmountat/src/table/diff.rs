// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What differs between two snapshots of one mount namespace.

use crate::table::fields::Fields;
use crate::table::snapshot::{Table, TableEntry};
use std::collections::HashMap;

/// A difference: see [`Table::diff`].
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// It was not there before.
    Added(TableEntry<'a>),
    /// It is there no longer.
    Removed(TableEntry<'a>),
    /// It is on another mount, or seen at another path.
    Moved {
        /// As it was.
        from: TableEntry<'a>,
        /// As it is.
        to: TableEntry<'a>,
    },
    /// Its options, its propagation or its maps are not as before.
    Changed {
        /// As it was.
        from: TableEntry<'a>,
        /// As it is.
        to: TableEntry<'a>,
    },
}

impl Table {
    /// What is different in `later`: what went, the last mount first; then what moved or changed (or both: then it comes
    /// twice); then what came.
    ///
    /// Only what both tables know is compared. Mounts are told by their unique ids where both have them. Else they are told
    /// by the ids of mountinfo, which are used again: one with another device, type, root or source is another mount then, and
    /// one that went and came back the same between the two snapshots is not noticed.
    #[must_use]
    pub fn diff<'a>(&'a self, later: &'a Table) -> Vec<Change<'a>> {
        let both = self.fields & later.fields;
        let key = |entry: &TableEntry<'_>| match both.contains(Fields::UNIQUE_ID) {
            true => entry.record().unique,
            false => entry.record().id,
        };
        let is_same = |a: &TableEntry<'_>, b: &TableEntry<'_>| {
            both.contains(Fields::UNIQUE_ID) || (place(a, both) == place(b, both))
        };
        let before: HashMap<u64, TableEntry<'a>> = self.iter().map(|entry| (key(&entry), entry)).collect();
        let after: HashMap<u64, TableEntry<'a>> = later.iter().map(|entry| (key(&entry), entry)).collect();
        let same_in = |there: &HashMap<u64, TableEntry<'a>>, entry: &TableEntry<'a>| {
            there.get(&key(entry)).copied().filter(|other| is_same(entry, other))
        };
        let gone = self.iter().rev().filter(|entry| same_in(&after, entry).is_none());
        let mut changes: Vec<Change<'a>> = gone.map(Change::Removed).collect();
        let mut added = Vec::new();
        for to in later.iter() {
            let Some(from) = same_in(&before, &to) else {
                added.push(Change::Added(to));
                continue;
            };
            if from.record().parent != to.record().parent || from.target_in(both) != to.target_in(both) {
                changes.push(Change::Moved { from, to });
            }
            if facts(&from, both) != facts(&to, both) {
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

/// What a mount keeps as long as it lives.
fn place<'a>(entry: &TableEntry<'a>, both: Fields) -> impl PartialEq + use<'a> {
    (
        both.contains(Fields::DEVICE).then(|| entry.record().device),
        both.contains(Fields::ROOT).then(|| entry.root()),
        both.contains(Fields::FSTYPE).then(|| entry.fstype()),
        both.contains(Fields::SOURCE).then(|| entry.source()),
    )
}

fn facts<'a>(entry: &TableEntry<'a>, both: Fields) -> impl PartialEq + use<'a> {
    let own = (entry.options(), entry.shared(), entry.master(), entry.is_unbindable());
    let file_system = (
        both.contains(Fields::SUPER_OPTIONS).then(|| entry.super_options()),
        both.contains(Fields::PROPAGATE_FROM).then(|| entry.propagate_from()),
        both.contains(Fields::IDMAP).then(|| (entry.uid_map(), entry.gid_map())),
    );
    (own, file_system, place(entry, both))
}

#[cfg(test)]
mod tests {
    use super::super::by_mountinfo::parse;
    use super::*;

    fn table(lines: &[&str]) -> Table {
        parse(lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect()).unwrap()
    }

    fn words(changes: &[Change<'_>]) -> Vec<String> {
        let word = |change: &Change<'_>| match change {
            Change::Added(entry) => format!("+{}", entry.mountinfo_id()),
            Change::Removed(entry) => format!("-{}", entry.mountinfo_id()),
            Change::Moved { from, to } => format!("{} to {}", from.target().display(), to.target().display()),
            Change::Changed { from, to } => format!("{:?} to {:?}", from.options(), to.options()),
        };
        changes.iter().map(word).collect()
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
        assert_eq!(words(&before.diff(&after)), want);
        assert!(before.diff(&before).is_empty());
    }
}
