// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sources of binds on mounts that many others are mounted in: opened in a detached clone, which has none of those.
//!
//! For each bind the kernel looks at every child mount of the mount that holds the source, under the namespace's lock: 4 us
//! become 54 where there are 1,000 (a node whose containers lie on the root file system). A clone of that mount's root has no
//! children, so a bind of a file found in it costs the same on every machine.

use crate::mountinfo::id::MountId;
use crate::sys::listmount::has_mounts_below;
use crate::sys::statmount::{MNT_BASIC, MNT_POINT, statmount};
use crate::vfs::attr::{MountAttr, Propagation};
use crate::vfs::identity::is_same_file;
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// How many mounts are remembered. Each keeps a super block alive, so not without end.
const KEPT: usize = 16;

/// With fewer mounts than this in it, to go by the clone costs more than it saves.
const CROWD: usize = 128;

/// Counting scans the namespace, so it is done again only after so many binds.
const COUNT_AGAIN: u32 = 64;

/// What is known of the mounts that sources were on, newest last.
#[derive(Debug, Default)]
pub(crate) struct Crowds {
    kept: Mutex<VecDeque<Kept>>,
}

#[derive(Debug)]
struct Kept {
    mount: MountId,
    is_crowded: bool,
    uses: u32,
    root: Option<Root>,
}

/// The clone of a mount, and what the mount itself was like.
#[derive(Debug, Clone)]
struct Root {
    point: PathBuf,
    /// Attributes and propagation: a bind takes over the former, and an unbindable mount has none.
    like: (u64, u64),
    clone: Arc<Tree>,
}

impl Crowds {
    /// The source `path` below `dir` as it is found in the clone of a crowded mount; `None` where the source itself serves, or
    /// nothing else does.
    pub(crate) fn find(&self, dir: BorrowedFd<'_>, path: &Path) -> Option<OwnedFd> {
        let source = rustix::fs::openat(dir, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let mount = MountId::of(source.as_fd()).ok().filter(|id| id.is_unique())?;
        let root = self.root_if_crowded(mount)?;
        let place = std::fs::read_link(format!("/proc/thread-self/fd/{}", source.as_raw_fd())).ok()?;
        let inside = place.strip_prefix(&root.point).ok()?;
        let inside = if inside.as_os_str().is_empty() { Path::new(".") } else { inside };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let found = rustix::fs::openat2(root.clone.root(), inside, flags, Mode::empty(), resolve).ok()?;
        // Names may have changed meanwhile, and another file be there.
        is_same_file(source.as_fd(), found.as_fd()).is_ok_and(|is_same| is_same).then_some(found)
    }

    fn root_if_crowded(&self, mount: MountId) -> Option<Root> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.iter().position(|one| one.mount == mount);
        let mut one = match known.and_then(|at| kept.remove(at)) {
            Some(one) => one,
            None => Kept { mount, is_crowded: false, uses: 0, root: None },
        };
        if one.uses % COUNT_AGAIN == 0 {
            one.is_crowded = has_mounts_below(mount.get(), CROWD);
            one.root = None;
        }
        if one.is_crowded && one.root.as_ref().is_none_or(|root| Some(root.like) != like(mount)) {
            one.root = Root::of(mount);
        }
        one.uses = one.uses.wrapping_add(1);
        let root = one.root.clone();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(one);
        root
    }
}

impl Root {
    /// `None` where the mount's root is not seen, or the kernel refuses to clone it without what is mounted in it.
    fn of(mount: MountId) -> Option<Self> {
        let point: PathBuf = OsString::from_vec(statmount(mount.get(), MNT_POINT).ok()?.mnt_point?).into();
        let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let root = rustix::fs::openat(CWD, &point, flags, Mode::empty()).ok()?;
        if MountId::of(root.as_fd()).ok()? != mount {
            return None;
        }
        let like = like(mount)?;
        let clone = Tree::clone_of(&root, "", false).ok()?;
        // What is mounted in its peers later must not appear in it.
        let private = MountAttr { propagation: Some(Propagation::Private), ..MountAttr::default() };
        clone.set_attr(&private, false).ok()?;
        Some(Self { point, like, clone: Arc::new(clone) })
    }
}

fn like(mount: MountId) -> Option<(u64, u64)> {
    let basic = statmount(mount.get(), MNT_BASIC).ok()?.basic?;
    Some((basic.attr, basic.propagation))
}
