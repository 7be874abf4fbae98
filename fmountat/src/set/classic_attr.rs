// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Changes to what is mounted, by mount(2): attributes, propagation, and a remount of the file system.

use super::classic::data;
use super::flags::{ms_of_attr, ms_of_superblock};
use super::options::Options;
use super::words::look_up;
use crate::error::{Error, Result};
use crate::sys::ms;
use crate::table::mountinfo::{self, MountEntry};
use crate::vfs::attr::{Attr, Locked, MountAttr};
use crate::vfs::attr_old::{attr_of_words, remount};
use crate::vfs::bytes::descriptor_name;
use crate::vfs::identity::mountinfo_id;
use crate::vfs::target::Target;
use crate::vfs::tree::moved;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::CWD;
use rustix::mount::MountFlags;
use std::path::Path;

/// Every flag of ours fits: the highest is `MS_LAZYTIME`, bit 25.
pub(super) fn mount_flags(flags: u64) -> MountFlags {
    ms::mount_flags(u32::try_from(flags).unwrap_or(u32::MAX))
}

/// `MS_REMOUNT` of the file system: mount(2) takes all flags at once, so those that it has now are repeated. `MS_RDONLY`
/// is for the file system and the mount alike, which then becomes again what it was.
pub(super) fn remount_filesystem(root: BorrowedFd<'_>, options: &Options) -> Result<()> {
    let entry = entry_of(root)?;
    let before = attr_of_words(&entry.options);
    let mut flags = ms_of_attr(before - Attr::RDONLY);
    for word in entry.super_options.to_string_lossy().split(',') {
        flags |= ms_of_superblock(word);
    }
    for flag in &options.superblock {
        if let Some((word, _)) = look_up(flag) {
            flags &= !super::flags::opposite_of_superblock(word.name);
            flags |= ms_of_superblock(word.name);
        }
    }
    let data = data(&entry.fstype, &options.words)?;
    rustix::mount::mount_remount(
        descriptor_name(root),
        mount_flags(flags),
        data.as_deref().unwrap_or_default(),
    )
    .map_err(|e| Error::sys("reconfigure", "mount", e).arg(&entry.target))?;
    let read_only = MountAttr { set: before & Attr::RDONLY, clear: Attr::RDONLY, propagation: None };
    change(root, &read_only, Locked::IsAnError)
}

/// Sets and clears attributes of one mount by `MS_REMOUNT|MS_BIND`, which takes all of them at once. In a user namespace
/// what the kernel has locked stays, or is an error.
pub(super) fn change(root: BorrowedFd<'_>, attr: &MountAttr, locked: Locked) -> Result<()> {
    if attr.set.is_empty() && attr.clear.is_empty() {
        return Ok(());
    }
    remount(root, attr_of(root)?, attr, locked)
}

/// The per-mount attributes that the mount has now, from its line in mountinfo.
fn attr_of(root: BorrowedFd<'_>) -> Result<Attr> {
    Ok(attr_of_words(&entry_of(root)?.options))
}

fn entry_of(root: BorrowedFd<'_>) -> Result<MountEntry> {
    let id = mountinfo_id(root)?;
    let entry = mountinfo::read()?.into_iter().find(|entry| entry.id == id);
    entry.ok_or_else(|| moved(Path::new("/")))
}

/// Changes every mount of the tree below the root that can be reached.
pub(super) fn each_below(root: BorrowedFd<'_>, attr: &MountAttr, locked: Locked) -> Result<()> {
    let table = mountinfo::read()?;
    for entry in mountinfo::deepest_first(&table, mountinfo_id(root)?) {
        if let Some(mounted) = reach(entry) {
            change(mounted.as_fd(), attr, locked).map_err(|e| e.arg(&entry.target))?;
        }
    }
    Ok(())
}

/// The mount of the entry, if it is what is seen at its path.
fn reach(entry: &MountEntry) -> Option<Target> {
    let target = Target::open(CWD, &entry.target).ok()?;
    (mountinfo_id(target.as_fd()).ok()? == entry.id).then_some(target)
}
