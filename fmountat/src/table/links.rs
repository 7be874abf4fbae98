// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The parent and child links of a snapshot, computed once at first use.

use crate::mountinfo::record::Record;
use std::collections::HashMap;

const NONE: u32 = u32::MAX;

/// Parents and children as indices into the list of records.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    parents: Vec<u32>,
    /// The children of record `n` are `children[starts[n]..starts[n + 1]]`; the roots come last.
    children: Vec<u32>,
    starts: Vec<u32>,
    by_number: HashMap<u64, u32>,
    by_unique: HashMap<u64, u32>,
}

impl Links {
    pub(crate) fn of(records: &[Record]) -> Self {
        let places = |key: fn(&Record) -> u64| -> HashMap<u64, u32> {
            let keys = records.iter().map(key).zip(0u32..);
            keys.filter(|(key, _)| *key != 0).collect()
        };
        let (by_number, by_unique) = (places(|r| r.id), places(|r| r.unique));
        let parent_of = |(record, own): (&Record, u32)| {
            let found = match record.unique {
                0 => by_number.get(&record.parent),
                _ => by_unique.get(&record.parent_unique),
            };
            found.copied().filter(|parent| *parent != own).unwrap_or(NONE)
        };
        let mut parents: Vec<u32> = records.iter().zip(0u32..).map(parent_of).collect();
        break_cycles(&mut parents);
        let last = records.len() as u32;
        let slot = |parent: u32| if parent == NONE { last } else { parent } as usize;
        let mut starts = vec![0u32; records.len() + 2];
        for parent in &parents {
            starts[slot(*parent) + 1] += 1;
        }
        for n in 1..starts.len() {
            starts[n] += starts[n - 1];
        }
        let mut next = starts.clone();
        let mut children = vec![0u32; records.len()];
        for (parent, own) in parents.iter().zip(0u32..) {
            let place = &mut next[slot(*parent)];
            children[*place as usize] = own;
            *place += 1;
        }
        Self { parents, children, starts, by_number, by_unique }
    }

    pub(crate) fn parent(&self, index: usize) -> Option<usize> {
        self.parents.get(index).filter(|parent| **parent != NONE).map(|parent| *parent as usize)
    }

    pub(crate) fn children(&self, index: usize) -> &[u32] {
        &self.children[self.starts[index] as usize..self.starts[index + 1] as usize]
    }

    pub(crate) fn roots(&self) -> &[u32] {
        self.children(self.parents.len())
    }

    pub(crate) fn by_number(&self, id: u64) -> Option<usize> {
        self.by_number.get(&id).map(|index| *index as usize)
    }

    pub(crate) fn by_unique(&self, id: u64) -> Option<usize> {
        self.by_unique.get(&id).map(|index| *index as usize)
    }
}

/// Breaks cycles by turning one member of each into a root, so that a walk of the tree reaches
/// every mount and terminates. Lines read at different moments may name two mounts as each other's
/// parent.
fn break_cycles(parents: &mut [u32]) {
    // 0: not visited; n: visited by the walk that started at n - 1.
    let mut seen = vec![0u32; parents.len()];
    for start in 0..parents.len() {
        let walk = start as u32 + 1;
        let mut at = start;
        while seen[at] == 0 {
            seen[at] = walk;
            match parents[at] {
                NONE => break,
                next if seen[next as usize] == walk => parents[at] = NONE,
                next => at = next as usize,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: u64, parent: u64) -> Record {
        Record { id, parent, ..Record::default() }
    }

    #[test]
    fn children_come_in_order_and_roots_have_no_parent() {
        let links = Links::of(&[record(1, 1), record(5, 1), record(3, 5), record(4, 1), record(9, 77)]);
        assert_eq!(links.roots(), [0, 4]);
        assert_eq!(
            (links.children(0), links.children(1), links.children(2)),
            (&[1, 3][..], &[2][..], &[][..])
        );
        assert_eq!((links.parent(2), links.parent(4), links.by_number(4)), (Some(1), None, Some(3)));
    }

    #[test]
    fn every_mount_is_reached_from_a_root() {
        let links = Links::of(&[record(1, 2), record(2, 3), record(3, 1), record(4, 3)]);
        assert_eq!(links.roots().len(), 1);
        let mut reached: Vec<u32> = links.roots().to_vec();
        let mut at = 0;
        while at < reached.len() {
            reached.extend(links.children(reached[at] as usize));
            at += 1;
        }
        reached.sort_unstable();
        assert_eq!(reached, [0, 1, 2, 3]);
    }

    proptest::proptest! {
        #[test]
        fn any_parents_give_a_forest(parents in proptest::collection::vec(0u64..20, 0..20)) {
            let records: Vec<Record> = parents.iter().zip(0..).map(|(p, id)| record(id + 1, *p)).collect();
            let links = Links::of(&records);
            let mut reached: Vec<u32> = links.roots().to_vec();
            let mut at = 0;
            while at < reached.len() {
                reached.extend(links.children(reached[at] as usize));
                at += 1;
            }
            proptest::prop_assert_eq!(reached.len(), records.len());
        }
    }
}
