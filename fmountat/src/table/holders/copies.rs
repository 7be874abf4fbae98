// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finds the propagated copies of a mount, in this and in other mount namespaces.
//!
//! If the parent of a mount is shared, the mount was propagated to the parent's peers and slaves,
//! and its unmount propagates too. A copy in use makes umount2(2) fail with EBUSY
//! (`propagate_mount_busy`, fs/pnode.c).

use crate::mountinfo;
use crate::mountinfo::MountEntry;
use crate::mountinfo::id::MountinfoId;
use crate::sys::procfs;
use crate::table::holders::numbers::numbers;
use rustix::fd::AsFd;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Returns the mountinfo ids of the copies of `entry`. Namespaces without a process are not
/// searched.
pub(crate) fn of(table: &[MountEntry], entry: &MountEntry) -> Vec<MountinfoId> {
    let parent = table.iter().find(|other| other.id == entry.parent && other.id != entry.id);
    let Some((parent, group)) = parent.and_then(|parent| Some((parent, parent.shared?))) else {
        return Vec::new();
    };
    let Some(place) = place_in(parent, entry) else { return Vec::new() };
    let mut tables = other_tables();
    tables.push(table.to_vec());
    let groups = receiving(&tables, group);
    let ids: BTreeSet<MountinfoId> =
        tables.iter().flat_map(|table| copies_in(table, &groups, &place)).collect();
    ids.into_iter().filter(|id| *id != entry.id).collect()
}

/// Returns the path of the mount point within the parent's file system.
fn place_in(parent: &MountEntry, entry: &MountEntry) -> Option<PathBuf> {
    Some(parent.root.join(entry.target.strip_prefix(&parent.target).ok()?))
}

/// Returns the peer groups that an event in `first` propagates to.
fn receiving(tables: &[Vec<MountEntry>], first: u64) -> BTreeSet<u64> {
    let mut groups = BTreeSet::from([first]);
    loop {
        let receives = |entry: &&MountEntry| entry.master.is_some_and(|master| groups.contains(&master));
        let more = tables.iter().flatten().filter(receives).filter_map(|entry| entry.shared);
        let all: BTreeSet<u64> = groups.iter().copied().chain(more).collect();
        if all.len() == groups.len() {
            return groups;
        }
        groups = all;
    }
}

/// Skips copies with child mounts: an unmount does not propagate to them, so they do not make it
/// fail.
fn copies_in(table: &[MountEntry], groups: &BTreeSet<u64>, place: &Path) -> Vec<MountinfoId> {
    let gets = |peers: Option<u64>| peers.is_some_and(|group| groups.contains(&group));
    let receivers = table.iter().filter(|entry| gets(entry.shared) || gets(entry.master));
    let copies = receivers.flat_map(|parent| {
        let below = table.iter().filter(|entry| entry.parent == parent.id && entry.id != parent.id);
        below.filter(|entry| place_in(parent, entry).is_some_and(|other| other == place))
    });
    copies.map(|copy| copy.id).filter(|id| !table.iter().any(|entry| entry.parent == *id)).collect()
}

/// Returns the table of each other mount namespace, by the threads that the caller may inspect.
fn other_tables() -> Vec<Vec<MountEntry>> {
    let mut seen = BTreeSet::new();
    seen.extend(procfs::namespace("mnt").and_then(|own| procfs::path_of(own.as_fd())));
    let threads = numbers("/proc").unwrap_or_default().into_iter().flat_map(|pid| {
        let tasks = PathBuf::from(format!("/proc/{pid}/task"));
        numbers(&tasks).unwrap_or_default().into_iter().map(move |thread| tasks.join(thread.to_string()))
    });
    let others = threads.filter(|thread| {
        std::fs::read_link(thread.join("ns/mnt")).is_ok_and(|namespace| seen.insert(namespace))
    });
    others
        .filter_map(|thread| mountinfo::parse(&std::fs::read(thread.join("mountinfo")).ok()?).ok())
        .collect()
}
