// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Detached clones of the directories that layers lie in: below a clone the kernel has no child mounts to walk.
//!
//! For each overlay layer the kernel looks at every child mount of the mount that holds it (`has_locked_children`,
//! fs/namespace.c), under the namespace's lock. A clone of one directory has no children, so the cost of a layer
//! opened below it does not grow with the mounts on the host.

use crate::error::Result;
use crate::mountinfo::id::STATX_MNT_ID_UNIQUE;
use crate::sys::listmount::has_mounts_below;
use crate::vfs::attr::{Attr, MountAttr, Propagation};
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// How many clones are kept. Each keeps a super block alive, so not without end.
const KEPT: usize = 16;

/// With fewer mounts than this below the base's mount, walking them costs less than looking at the layers one by one:
/// 30 ns for each mount and layer, against 0.8 us for a look.
const CROWD: usize = 32;

/// Counting scans the namespace, so it is done again only after so many mounts.
const COUNT_AGAIN: u32 = 64;

/// What is known of base directories from one mount to the next, newest last.
#[derive(Debug, Default)]
pub(crate) struct Bases {
    kept: Mutex<VecDeque<Kept>>,
}

#[derive(Debug)]
struct Kept {
    key: Key,
    clone: Option<Arc<Tree>>,
    is_crowded: bool,
    uses: u32,
}

/// A directory on a mount. The clone holds its inode, so that the number can't come to mean another directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    mount: u64,
    device: (u32, u32),
    inode: u64,
    /// The mount's attributes, which its clone has as they were.
    flags: u64,
}

/// A base directory of one mount call: as it is on the host, and as its clone.
#[derive(Debug)]
pub(crate) struct Base {
    original: OwnedFd,
    mount: u64,
    clone: Arc<Tree>,
}

/// How mount(2) can reach the layers below a base directory.
#[derive(Debug)]
pub(crate) enum Reach {
    /// From the directory itself: the mount it is on has few mounts below, and a clone would save nothing.
    Host(OwnedFd),
    /// From its clone.
    Clone(Base),
}

impl Bases {
    /// The clone for the directory `path` below `dir`; `None` where the kernel refuses one, as it does in a user
    /// namespace for a directory with locked mounts below.
    pub(crate) fn open(&self, dir: BorrowedFd<'_>, path: &Path) -> Option<Base> {
        let original = open_base(dir, path)?;
        let key = Key::of(original.as_fd())?;
        self.clone_for(original, key)
    }

    /// A clone whose owners are mapped as `userns` does; not kept, since it costs little beside what it is for.
    pub(crate) fn open_idmapped(
        &self,
        dir: BorrowedFd<'_>,
        path: &Path,
        userns: BorrowedFd<'_>,
    ) -> Option<Base> {
        let original = open_base(dir, path)?;
        let mount = Key::of(original.as_fd())?.mount;
        let clone = Tree::clone_idmapped(&original, "", false, userns).ok()?;
        no_links(&clone).ok()?;
        Some(Base { original, mount, clone: Arc::new(clone) })
    }

    /// The cheaper way to the directory's layers; counts its mounts now and then. Before 6.15 no layer may lie in a clone.
    pub(crate) fn reach(&self, dir: BorrowedFd<'_>, path: &Path, by_clone: bool) -> Option<Reach> {
        let original = open_base(dir, path)?;
        if !by_clone {
            return Some(Reach::Host(original));
        }
        let key = Key::of(original.as_fd())?;
        let is_crowded = self.with(key, |kept| {
            if kept.uses % COUNT_AGAIN == 0 {
                kept.is_crowded = has_mounts_below(key.mount, CROWD);
            }
            kept.uses = kept.uses.wrapping_add(1);
            kept.is_crowded
        });
        if is_crowded { self.clone_for(original, key).map(Reach::Clone) } else { Some(Reach::Host(original)) }
    }

    fn clone_for(&self, original: OwnedFd, key: Key) -> Option<Base> {
        let known = self.with(key, |kept| kept.clone.clone());
        let clone = match known {
            Some(clone) => clone,
            None => {
                let clone = Arc::new(clone_of(original.as_fd()).ok()?);
                self.with(key, |kept| kept.clone = Some(Arc::clone(&clone)));
                clone
            }
        };
        Some(Base { original, mount: key.mount, clone })
    }

    /// Works on what is known of the base, which is remembered from now on.
    fn with<T>(&self, key: Key, work: impl FnOnce(&mut Kept) -> T) -> T {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.iter().position(|k| k.key == key);
        let mut one = match known.and_then(|at| kept.remove(at)) {
            Some(one) => one,
            None => Kept { key, clone: None, is_crowded: true, uses: 0 },
        };
        if kept.len() == KEPT {
            kept.pop_front();
        }
        let result = work(&mut one);
        kept.push_back(one);
        result
    }
}

fn open_base(dir: BorrowedFd<'_>, path: &Path) -> Option<OwnedFd> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(dir, path, flags, Mode::empty()).ok()
}

/// In the clone no symbolic link is followed: one that leads up with `..` would stop at the clone's root, elsewhere than
/// on the host.
fn clone_of(original: BorrowedFd<'_>) -> Result<Tree> {
    let clone = Tree::clone_of(original, "", false)?;
    no_links(&clone)?;
    Ok(clone)
}

fn no_links(clone: &Tree) -> Result<()> {
    // Nor must what is mounted in its peers later appear in it.
    let propagation = Some(Propagation::Private);
    clone.set_attr(&MountAttr { set: Attr::NOSYMFOLLOW, propagation, ..MountAttr::default() }, false)
}

impl Key {
    fn of(dir: BorrowedFd<'_>) -> Option<Self> {
        let mask = StatxFlags::INO | STATX_MNT_ID_UNIQUE | StatxFlags::MNT_ID;
        let stat = rustix::fs::statx(dir, "", AtFlags::EMPTY_PATH, mask).ok()?;
        let flags = rustix::fs::fstatvfs(dir).ok()?.f_flag.bits();
        Some(Self {
            mount: stat.stx_mnt_id,
            device: (stat.stx_dev_major, stat.stx_dev_minor),
            inode: stat.stx_ino,
            flags,
        })
    }
}

impl Base {
    /// Whether `path`, where it leads anywhere in the clone, leads to the same place as on the host: it does if no mount
    /// point is on the way, and the clone follows no links.
    pub(crate) fn has(&self, path: &Path) -> bool {
        let (flags, mask) =
            (AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT, STATX_MNT_ID_UNIQUE | StatxFlags::MNT_ID);
        rustix::fs::statx(&self.original, path, flags, mask).is_ok_and(|stat| stat.stx_mnt_id == self.mount)
    }

    /// Opens `path` in the clone, if that is what the host shows there.
    pub(crate) fn open(&self, path: &Path) -> Option<OwnedFd> {
        if !self.has(path) {
            return None;
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(self.clone.root(), path, flags, Mode::empty()).ok()
    }

    /// The clone's root.
    pub(crate) fn clone_root(&self) -> BorrowedFd<'_> {
        self.clone.root()
    }
}
