// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The user and group ids that are mapped in this user namespace: user_namespaces(7).

use crate::sys::procfs;
use crate::vfs::features::Features;

/// A kind of id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdKind {
    User,
    Group,
}

impl IdKind {
    fn map_file(self) -> &'static str {
        match self {
            Self::User => "thread-self/uid_map",
            Self::Group => "thread-self/gid_map",
        }
    }
}

/// Reports whether `count` ids from `first` on are mapped. Returns true if the map cannot be read:
/// the kernel then decides.
pub(crate) fn is_mapped(kind: IdKind, first: u32, count: u32) -> bool {
    if Features::get().initial_user_namespace {
        return true;
    }
    let Ok(map) = procfs::text(kind.map_file()) else { return true };
    let (first, end) = (u64::from(first), u64::from(first) + u64::from(count));
    map.lines().filter_map(range).any(|(from, to)| from <= first && end <= to)
}

/// Parses a line of the map: the first id and the end of the range, as seen in this namespace.
fn range(line: &str) -> Option<(u64, u64)> {
    let mut numbers = line.split_whitespace().map(|number| number.parse::<u64>().ok());
    let (inside, count) = (numbers.next()??, numbers.nth(1)??);
    Some((inside, inside + count))
}
