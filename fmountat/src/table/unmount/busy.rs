// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Explains why a mount is busy: child mounts, or processes that use it.

use crate::error::{Error, Holder, Syscall};
use crate::mountinfo;
use crate::table::holders::find as holders;
use crate::table::unmount::errors::STEP;
use crate::table::unmount::place::Place;
use rustix::io::Errno;
use std::path::Path;

/// Returns an EBUSY error that names the child mounts, if any: retrying would not help. Called only
/// after EBUSY.
pub(crate) fn mounts_below(place: &Place) -> Option<Error> {
    let table = mountinfo::read().ok()?;
    let entry = table.iter().find(|entry| entry.id == place.number)?;
    let below = holders::mounts_below(&table, entry);
    if below.is_empty() {
        return None;
    }
    let error =
        Error::sys(STEP, Syscall::Umount2, Errno::BUSY).with_argument(&place.path).with_holders(below);
    Some(error.with_reason("it has mounts below it").with_hint("unmount those too: recursively (umount -R)"))
}

/// Returns an EBUSY error with all holders that can be found.
pub(crate) fn busy(place: &Place) -> Error {
    let found = holders::holders(place.id).unwrap_or_default();
    in_use(&place.path, found)
}

pub(crate) fn in_use(path: &Path, found: Vec<Holder>) -> Error {
    let hint = if found.is_empty() {
        "nobody was found who uses it: look as root, and for bound UNIX sockets, swap files and other namespaces; \
         lazily (umount -l) it goes away now"
    } else {
        "end those who use it; lazily (umount -l) it goes away now and is freed when nobody uses it"
    };
    Error::sys(STEP, Syscall::Umount2, Errno::BUSY)
        .with_argument(path)
        .with_reason("it is in use")
        .with_hint(hint)
        .with_holders(found)
}
