// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Attributes of a detached tree where mount_setattr(2) \[Linux 5.12\] is missing or forbidden: the tree is attached in a
//! private namespace for a moment, changed there by mount(2), and copied out. And that remount itself.

use super::attr::{Attr, Locked, MountAttr, Propagation, explain_attr};
use super::bytes::descriptor_name;
use super::flags::ms_of_attr;
use super::hidden::HiddenPlace;
use super::identity::{is_attached_here, mountinfo_id};
use super::staging::in_private_namespace;
use super::target::open_in_root;
use super::tree::Tree;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::descriptor::replace;
use crate::sys::ms;
use crate::table::mountinfo;
use crate::ways::{MakeMount, Ways};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use std::ffi::OsStr;

const STEP: &str = "set mount attributes";

/// Changes the tree's root mount, with `recursive` all its mounts. Afterwards the tree is another, equal one: its mounts
/// have new ids. An unbindable mount could not be copied, so none can be made so.
pub(super) fn set_attr(tree: &Tree, attr: &MountAttr, recursive: bool) -> Result<()> {
    if attr.propagation == Some(Propagation::Unbindable) {
        return Err(no_unbindable());
    }
    // Once it is part of what this thread sees, in a private namespace of ours, it is changed in its place.
    if is_attached_here(tree.root())? {
        return change(tree.root(), attr, recursive);
    }
    MakeMount::OldAttributes.taken();
    let copy = in_private_namespace(|| {
        HiddenPlace::with(tree.root())?;
        change(tree.root(), attr, recursive)?;
        Tree::clone_of(tree.root(), "", true)
    })?;
    replace(tree.root(), copy.into_fd()).map_err(failed("dup3"))
}

pub(crate) fn no_unbindable() -> Error {
    let reason = "without mount_setattr(2) a mount can't be made unbindable before it is attached";
    Error::new(ErrorKind::Unsupported, STEP, reason).hinted("it needs Linux 5.12")
}

fn failed(call: &'static str) -> impl Fn(Errno) -> Error {
    move |errno| Error::sys(STEP, call, errno)
}

/// Changes what is mounted in this thread's namespace.
fn change(root: BorrowedFd<'_>, attr: &MountAttr, recursive: bool) -> Result<()> {
    let (table, id) = (mountinfo::read()?, mountinfo_id(root)?);
    let top = table.iter().find(|entry| entry.id == id).map(|entry| &entry.target);
    let is_asked = !attr.set.is_empty() || !attr.clear.is_empty();
    for entry in mountinfo::deepest_first(&table, id).into_iter().filter(|_| is_asked) {
        let now = attr_of_words(&entry.options);
        if entry.id == id {
            remount(root, now, attr, Locked::StaysAsItIs)?;
        } else if recursive {
            // What is covered by another mount can't be reached by a path, and is not seen either.
            let Some(inside) = top.and_then(|top| entry.target.strip_prefix(top).ok()) else { continue };
            let Ok(mounted) = open_in_root(root, inside) else { continue };
            if mountinfo_id(mounted.as_fd())? == entry.id {
                remount(mounted.as_fd(), now, attr, Locked::StaysAsItIs)?;
            }
        }
    }
    propagate(root, attr.propagation, recursive)
}

/// Sets the propagation of the mount that `root` is the root of, with `recursive` of all below it, by mount(2).
pub(crate) fn propagate(root: BorrowedFd<'_>, to: Option<Propagation>, recursive: bool) -> Result<()> {
    let Some(propagation) = to else { return Ok(()) };
    let flags = propagation.bits() | if recursive { ms::MS_REC } else { 0 };
    let flags = ms::propagation_flags(u32::try_from(flags).unwrap_or(0));
    rustix::mount::mount_change(descriptor_name(root), flags)
        .map_err(|e| Error::sys("set propagation", "mount", e))
}

/// Sets and clears attributes of one mount, which has `now`, by `MS_REMOUNT|MS_BIND`: it takes all of them at once.
pub(crate) fn remount(root: BorrowedFd<'_>, now: Attr, attr: &MountAttr, locked: Locked) -> Result<()> {
    let wanted = (now - attr.clear) | attr.set;
    if wanted == now {
        return Ok(());
    }
    let call = |attr: Attr| {
        // No access-time word at all would mean: as it is.
        let relatime = if attr.intersects(Attr::ATIME_FIELD) { 0 } else { ms::MS_RELATIME };
        let flags = u32::try_from(ms::MS_BIND | relatime | ms_of_attr(attr)).unwrap_or(0);
        rustix::mount::mount_remount(descriptor_name(root), ms::mount_flags(flags), c"")
    };
    let mut done = call(wanted);
    if done == Err(Errno::PERM) && locked == Locked::StaysAsItIs {
        done = call(wanted | (now - Attr::ATIME_FIELD));
        // The access time may be what is locked: a policy that was asked for is not dropped.
        if done == Err(Errno::PERM) && !attr.set.intersects(Attr::ATIME_FIELD) {
            done = call((wanted - Attr::ATIME_FIELD) | now);
        }
    }
    done.map_err(|errno| explain_attr(failed("mount")(errno), root, attr))
}

/// The per-mount options of a line of mountinfo; it shows no word for strictatime.
pub(crate) fn attr_of_words(words: &OsStr) -> Attr {
    words.to_string_lossy().split(',').fold(Attr::STRICTATIME, |all, word| match word {
        "ro" => all | Attr::RDONLY,
        "nosuid" => all | Attr::NOSUID,
        "nodev" => all | Attr::NODEV,
        "noexec" => all | Attr::NOEXEC,
        "relatime" => all - Attr::ATIME_FIELD,
        "noatime" => (all - Attr::ATIME_FIELD) | Attr::NOATIME,
        "nodiratime" => all | Attr::NODIRATIME,
        "nosymfollow" => all | Attr::NOSYMFOLLOW,
        _ => all,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_mountinfo_are_attributes() {
        assert_eq!(attr_of_words("rw,nosuid,relatime".as_ref()), Attr::NOSUID);
        assert_eq!(attr_of_words("ro".as_ref()), Attr::RDONLY | Attr::STRICTATIME);
        assert_eq!(attr_of_words("rw,nodev,noatime,idmapped".as_ref()), Attr::NODEV | Attr::NOATIME);
    }
}
