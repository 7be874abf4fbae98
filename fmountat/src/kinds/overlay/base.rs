// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Detached clones of the directories that layers lie in: below a clone the kernel has no child mounts to walk.
//!
//! For each overlay layer the kernel looks at every child mount of the mount that holds it (`has_locked_children`,
//! fs/namespace.c), under the namespace's lock. A clone of one directory has no children, so the cost of a layer
//! opened below it does not grow with the mounts on the host.

use crate::error::Result;
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, StatxFlags};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// How many clones are kept. Each keeps a super block alive, so not without end.
const KEPT: usize = 16;

/// Clones kept from one mount to the next, newest last.
#[derive(Debug, Default)]
pub(crate) struct Bases {
    kept: Mutex<VecDeque<(Key, Arc<Tree>)>>,
}

/// A directory on a mount. The clone holds its inode, so that the number can't come to mean another directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    mount: u64,
    device: (u32, u32),
    inode: u64,
}

/// A base directory of one mount call: as it is on the host, and as its clone.
#[derive(Debug)]
pub(crate) struct Base {
    original: OwnedFd,
    clone: Arc<Tree>,
}

/// How a path below a base can be opened.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Below {
    /// The same directory lies at this path in the clone.
    InClone,
    /// A mount point or a symbolic link is on the way: only the host's own tree leads there.
    OnHost,
    /// It can't be opened at all.
    Failed(Errno),
}

impl Bases {
    /// The clone for the directory `path` below `dir`; `None` where the kernel refuses one, as it does in a user
    /// namespace for a directory with locked mounts below.
    pub(crate) fn open(&self, dir: BorrowedFd<'_>, path: &Path) -> Option<Base> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let original = rustix::fs::openat(dir, path, flags, Mode::empty()).ok()?;
        let key = Key::of(original.as_fd())?;
        if let Some(clone) = self.find(key) {
            return Some(Base { original, clone });
        }
        let clone = Arc::new(clone_of(original.as_fd()).ok()?);
        self.keep(key, &clone);
        Some(Base { original, clone })
    }

    fn find(&self, key: Key) -> Option<Arc<Tree>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(k, _)| *k == key).map(|(_, clone)| Arc::clone(clone))
    }

    fn keep(&self, key: Key, clone: &Arc<Tree>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((key, Arc::clone(clone)));
    }
}

fn clone_of(original: BorrowedFd<'_>) -> Result<Tree> {
    Tree::clone_of(original, "", false)
}

impl Key {
    fn of(dir: BorrowedFd<'_>) -> Option<Self> {
        let mask = StatxFlags::INO | StatxFlags::from_bits_retain(0x4000) | StatxFlags::MNT_ID;
        let stat = rustix::fs::statx(dir, "", AtFlags::EMPTY_PATH, mask).ok()?;
        Some(Self {
            mount: stat.stx_mnt_id,
            device: (stat.stx_dev_major, stat.stx_dev_minor),
            inode: stat.stx_ino,
        })
    }
}

impl Base {
    /// Whether `path` means the same directory in the clone as on the host: no mount point, no symbolic link, no way
    /// out on the path. One openat2(2) on the host's side tells.
    pub(crate) fn look(&self, path: &Path) -> Below {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::openat2(&self.original, path, flags, Mode::empty(), resolve) {
            Ok(_) => Below::InClone,
            Err(errno @ (Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::NAMETOOLONG)) => {
                Below::Failed(errno)
            }
            Err(_) => Below::OnHost,
        }
    }

    /// The clone's root.
    pub(crate) fn clone_root(&self) -> BorrowedFd<'_> {
        self.clone.root()
    }
}
