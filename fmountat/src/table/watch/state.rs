// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The mounts after the events that were read, and the events not yet taken.

use crate::mountinfo::MountEntry;
use crate::mountinfo::id::MountId;
use crate::table::snapshot::{Table, TableEntry};
use crate::table::watch::event::{MountAction, MountEvent};
use std::collections::{HashMap, HashSet, VecDeque};

#[derive(Debug)]
pub(crate) struct Picture {
    /// `None` for a mount that was detached before it could be read. Its detach event is still to
    /// come.
    known: HashMap<MountId, Option<MountEntry>>,
    events: VecDeque<MountEvent>,
}

impl Picture {
    pub(crate) fn of(table: &Table) -> Self {
        let known = table.iter().map(|entry| (entry.id(), Some(entry.to_entry()))).collect();
        Self { known, events: VecDeque::new() }
    }

    pub(crate) fn mounts(&self) -> impl Iterator<Item = &MountEntry> {
        self.known.values().flatten()
    }

    pub(crate) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    pub(crate) fn take_event(&mut self) -> Option<MountEvent> {
        self.events.pop_front()
    }

    fn emit(
        &mut self,
        action: MountAction,
        id: MountId,
        entry: Option<MountEntry>,
        before: Option<MountEntry>,
    ) {
        self.events.push_back(MountEvent { action, id: Some(id), entry, before });
    }

    /// Records that a mount was attached or moved; `now` is `None` if it no longer exists. Returns
    /// the mounts that may have moved with it.
    pub(crate) fn attached(&mut self, id: MountId, now: Option<MountEntry>) -> Vec<MountId> {
        let before = self.known.get(&id).cloned();
        match (before, now) {
            // The snapshot already contained this event.
            (Some(Some(before)), Some(now)) if is_same_place(&before, &now) => {}
            (Some(None), None) => {}
            (Some(before), Some(now)) => {
                let along = before.as_ref().map(|before| self.below(id, before)).unwrap_or_default();
                self.known.insert(id, Some(now.clone()));
                self.emit(MountAction::Move, id, Some(now), before);
                return along;
            }
            // It was detached since; that event is still to come.
            (Some(Some(before)), None) => self.emit(MountAction::Move, id, None, Some(before)),
            (None, now) => {
                self.known.insert(id, now.clone());
                self.emit(MountAction::Mount, id, now, None);
            }
        }
        Vec::new()
    }

    fn below(&self, id: MountId, top: &MountEntry) -> Vec<MountId> {
        let is_below = |(other, entry): &(&MountId, &Option<MountEntry>)| {
            **other != id && entry.as_ref().is_some_and(|entry| entry.target.starts_with(&top.target))
        };
        self.known.iter().filter(is_below).map(|(id, _)| *id).collect()
    }

    pub(crate) fn update(&mut self, id: MountId, now: MountEntry) {
        self.known.insert(id, Some(now));
    }

    pub(crate) fn detached(&mut self, id: MountId) {
        // A mount that no snapshot and no event contained was detached before the first snapshot.
        if let Some(entry) = self.known.remove(&id) {
            self.emit(MountAction::Umount, id, entry, None);
        }
    }

    /// Emits the differences to the table between an overflow and a resync event.
    pub(crate) fn resync(&mut self, table: &Table) {
        let marker = |action| MountEvent { action, id: None, entry: None, before: None };
        self.events.push_back(marker(MountAction::Overflow));
        self.compare(table);
        self.events.push_back(marker(MountAction::Resync));
    }

    /// Replaces the known mounts by the table and emits the differences: detached mounts, the
    /// newest first, then the others.
    pub(crate) fn compare(&mut self, table: &Table) {
        let is_same = |entry: &TableEntry<'_>, known: &HashMap<MountId, Option<MountEntry>>| {
            let before = known.get(&entry.id());
            before.is_some_and(|before| before.as_ref().is_none_or(|before| is_same_mount(before, entry)))
        };
        let kept: HashSet<MountId> =
            table.iter().filter(|entry| is_same(entry, &self.known)).map(|entry| entry.id()).collect();
        let mut removed: Vec<MountId> = self.known.keys().copied().filter(|id| !kept.contains(id)).collect();
        removed.sort_unstable_by(|a, b| b.cmp(a));
        for id in removed {
            self.detached(id);
        }
        for entry in table.iter() {
            let (id, now) = (entry.id(), entry.to_entry());
            match self.known.insert(id, Some(now.clone())) {
                Some(Some(before)) if before == now => {}
                Some(Some(before)) => {
                    let action = match is_same_place(&before, &now) {
                        true => MountAction::Remount,
                        false => MountAction::Move,
                    };
                    self.emit(action, id, Some(now), Some(before));
                }
                Some(None) => {}
                None => self.emit(MountAction::Mount, id, Some(now), None),
            }
        }
    }
}

fn is_same_place(a: &MountEntry, b: &MountEntry) -> bool {
    (a.parent, &a.target) == (b.parent, &b.target)
}

/// A unique id is never reused. A mountinfo id is, possibly with another file system or source.
fn is_same_mount(before: &MountEntry, entry: &TableEntry<'_>) -> bool {
    entry.unique_id().is_some()
        || (before.device, &*before.root, &*before.fstype, &*before.source)
            == (entry.device().unwrap_or_default(), entry.root(), entry.fstype(), entry.source())
}
