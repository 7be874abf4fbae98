// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Directories of the host, bound at their own paths in the private mount namespace.
//!
//! Each view has a directory of the namespace's tmpfs to itself. With that as its root directory, a
//! thread finds the files of the host by their host paths.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::mountinfo::id::{MountId, stat_mount};
use crate::sys::listmount::has_mounts_below;
use crate::sys::procfs::{Paths, path_of};
use crate::sys::statmount::{MNT_BASIC, MNT_POINT, statmount};
use crate::vfs::attr::{MountAttr, Propagation};
use crate::vfs::identity::is_same_place;
use crate::vfs::target::Target;
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, Statx};
use rustix::mount::UnmountFlags;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

const STEP: Operation = Operation::BindInPrivateNamespace;

/// The number of child mounts of a mount from which the kernel's walks cost more than a thread in
/// the private namespace.
pub(crate) const CROWD: usize = 1024;

/// The number of views that are kept. Each keeps a superblock in use, but no mount of the host.
const VIEWS: usize = 32;

/// The number of uses after which child mounts are counted again: counting lists the namespace.
const COUNT_AGAIN: u32 = 64;

/// The number of mounts that are remembered.
const COUNTS: usize = 64;

/// The views of one namespace.
#[derive(Debug, Default)]
pub(crate) struct Views {
    /// In order of use, the most recently used view last.
    kept: Mutex<VecDeque<Arc<View>>>,
    numbers: AtomicUsize,
    /// The last counts of child mounts, in order of use.
    counts: Mutex<VecDeque<Count>>,
}

#[derive(Debug)]
struct Count {
    mount: u64,
    is_crowded: bool,
    uses: u32,
}

/// A directory of the host that is bound in the namespace.
#[derive(Debug)]
pub(crate) struct View {
    /// The name of its directory in the root of the namespace.
    pub(crate) number: usize,
    of: Key,
    /// Where it is mounted in the namespace, relative to the root.
    place: PathBuf,
}

/// A mount of the host with its attributes and propagation, and the path of a directory on it.
/// `None` for a view that is used once.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    mount: u64,
    attributes: Option<(u64, u64)>,
    path: PathBuf,
}

/// A directory of the host that is to be seen in the namespace.
#[derive(Debug)]
pub(crate) struct HostDirectory {
    of: Key,
    /// A clone of it, unless the namespace has a view of it.
    clone: Option<Tree>,
}

impl HostDirectory {
    /// Returns a directory that contains the file: the root of its mount, else `below`. Clones it
    /// without the mounts below it, unless there is a view.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the kernel refuses both: in a user namespace it does not clone
    /// a directory with locked mounts below without them.
    pub(crate) fn of(views: &Views, file: BorrowedFd<'_>, below: &Path) -> Result<Self> {
        let mount = MountId::of(file)?;
        let reported = statmount(mount.get(), MNT_BASIC | MNT_POINT).ok();
        let reported = reported.and_then(|reported| Some((reported.basic?, reported.mnt_point?)));
        let Some((basic, point)) = reported else { return Err(no_view(below)) };
        let (point, attributes) = (OsString::from_vec(point), Some((basic.attr, basic.propagation)));
        let directory = |path: &Path| {
            let of = Key { mount: mount.get(), attributes, path: path.to_owned() };
            let clone = if views.has(&of) { None } else { Some(clone_on(mount, path)?) };
            Some(Self { of, clone })
        };
        [Path::new(&point), below].into_iter().find_map(directory).ok_or_else(|| no_view(below))
    }

    /// Returns the directory with its owners mapped by `userns`, for one use.
    ///
    /// # Errors
    /// Those of [`Tree::clone_idmapped`].
    pub(crate) fn idmapped(path: &Path, userns: BorrowedFd<'_>) -> Result<Self> {
        let directory = open(path).map_err(|e| Error::sys(STEP, Syscall::Openat, e).with_argument(path))?;
        let mount = MountId::of(directory.as_fd())?.get();
        let clone = Tree::clone_idmapped(&directory, "", false, userns)?;
        make_private(&clone)?;
        Ok(Self { of: Key { mount, attributes: None, path: path.to_owned() }, clone: Some(clone) })
    }
}

impl Views {
    /// Reports whether the mount had at least `least` child mounts when they were last counted.
    pub(crate) fn is_crowded(&self, mount: u64, least: usize) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let at = counts.iter().position(|count| count.mount == mount);
        let known = at.and_then(|at| counts.remove(at));
        let mut count = known.unwrap_or(Count { mount, is_crowded: false, uses: 0 });
        if count.uses % COUNT_AGAIN == 0 {
            count.is_crowded = has_mounts_below(mount, least);
        }
        count.uses = count.uses.wrapping_add(1);
        let is_crowded = count.is_crowded;
        counts.push_back(count);
        if counts.len() > COUNTS {
            counts.pop_front();
        }
        is_crowded
    }

    /// Forgets the views of a namespace that does not exist any more.
    pub(crate) fn forget_all(&self) {
        self.kept().clear();
    }

    /// Attaches the directory at its own path, or returns the view that exists already. `root` is
    /// the root of the namespace, which the thread must be in.
    pub(crate) fn attach(&self, root: BorrowedFd<'_>, directory: HostDirectory) -> Result<Arc<View>> {
        let HostDirectory { of, clone } = directory;
        let Some(clone) = clone else { return self.find(&of).ok_or_else(lost) };
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let place: PathBuf = std::iter::once(Component::Normal(number.to_string().as_ref()))
            .chain(of.path.components().filter(|part| matches!(part, Component::Normal(_))))
            .collect();
        make_directories(root, &place)?;
        let view = View { number, of, place };
        let attached = Target::open(root, &view.place).and_then(|target| Ok(clone.attach(&target)?));
        if let Err(error) = attached {
            view.remove(root);
            return Err(error);
        }
        let view = Arc::new(view);
        if !view.is_for_one_use() {
            self.keep(root, &view);
        }
        Ok(view)
    }

    fn keep(&self, root: BorrowedFd<'_>, view: &Arc<View>) {
        let mut kept = self.kept();
        kept.push_back(Arc::clone(view));
        // A view of the same directory with other attributes is out of date. A view in use is
        // removed another time.
        let is_old = |old: &Arc<View>| {
            old.of != view.of && (&old.of.mount, &old.of.path) == (&view.of.mount, &view.of.path)
        };
        let too_many = kept.len().saturating_sub(VIEWS);
        let mut at = 0;
        kept.retain(|old| {
            let remove = (at < too_many || is_old(old)) && Arc::strong_count(old) == 1;
            at += 1;
            if remove {
                old.remove(root);
            }
            !remove
        });
    }

    fn has(&self, of: &Key) -> bool {
        self.kept().iter().any(|view| view.of == *of)
    }

    /// Returns the view and makes it the most recently used one.
    fn find(&self, of: &Key) -> Option<Arc<View>> {
        let mut kept = self.kept();
        let at = kept.iter().position(|view| view.of == *of)?;
        let view = kept.remove(at)?;
        kept.push_back(Arc::clone(&view));
        Some(view)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, VecDeque<Arc<View>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl View {
    pub(crate) fn is_for_one_use(&self) -> bool {
        self.of.attributes.is_none()
    }

    /// Unmounts it and removes its directories. `root` is the root of the namespace, which the
    /// thread must be in. Nobody can act on a failure: what is left ends with the namespace.
    pub(crate) fn remove(&self, root: BorrowedFd<'_>) {
        let at_root = rustix::process::fchdir(root);
        let _ = at_root.and_then(|()| rustix::mount::unmount(&self.place, UnmountFlags::DETACH));
        for directory in self.place.ancestors().filter(|path| !path.as_os_str().is_empty()) {
            if rustix::fs::unlinkat(root, directory, rustix::fs::AtFlags::REMOVEDIR).is_err() {
                return;
            }
        }
    }
}

/// Clones the directory without the mounts below, if it is on this mount: another may cover it.
fn clone_on(mount: MountId, path: &Path) -> Option<Tree> {
    let directory = open(path).ok()?;
    if MountId::of(directory.as_fd()).ok()? != mount {
        return None;
    }
    let clone = Tree::clone_of(&directory, "", false).ok()?;
    make_private(&clone).ok()?;
    Some(clone)
}

/// Mounts that are made in peers of the original must not appear in the clone.
fn make_private(clone: &Tree) -> Result<()> {
    clone.set_attr(&MountAttr { propagation: Some(Propagation::Private), ..MountAttr::default() }, false)
}

fn open(path: &Path) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())
}

fn make_directories(root: BorrowedFd<'_>, path: &Path) -> Result<()> {
    let mut above: Vec<_> = path.ancestors().filter(|path| !path.as_os_str().is_empty()).collect();
    while let Some(directory) = above.pop() {
        match rustix::fs::mkdirat(root, directory, Mode::RWXU) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(errno) => return Err(Error::sys(STEP, Syscall::Mkdirat, errno).with_argument(directory)),
        }
    }
    Ok(())
}

fn no_view(path: &Path) -> Error {
    let reason = "can't be copied without the mounts below it";
    Error::new(ErrorKind::Unsupported, STEP, reason).with_argument(path)
}

fn lost() -> Error {
    Error::new(ErrorKind::Busy, STEP, "the view was removed at the same time")
}

/// A file of the host, as the caller sees it.
#[derive(Debug)]
pub(crate) struct HostFile {
    pub(crate) path: PathBuf,
    pub(crate) mount: u64,
    inode: Inode,
}

/// The device and inode number.
type Inode = (u32, u32, u64);

impl HostFile {
    /// Returns the file with its path, which may have become that of another file.
    pub(crate) fn of(paths: &Paths, fd: BorrowedFd<'_>) -> Result<Self> {
        Self::named(paths.of(fd).map_err(|e| Error::sys(STEP, Syscall::Readlink, e))?, fd)
    }

    /// Returns the file with a path that leads to it on the host, unless a link is on the way.
    pub(crate) fn named(path: PathBuf, fd: BorrowedFd<'_>) -> Result<Self> {
        let stat = stat_mount(fd)?;
        Ok(Self { path, mount: stat.stx_mnt_id, inode: inode_of(&stat) })
    }

    /// Opens the file by its path in the view that is the root directory of the thread.
    ///
    /// # Errors
    /// [`ErrorKind::TargetMoved`] if that is another file: somebody renamed it.
    pub(crate) fn open_in_view(&self) -> Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let opened = rustix::fs::openat2(CWD, &self.path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)
            .map_err(|e| Error::sys(STEP, Syscall::Openat2, e).with_argument(&self.path))?;
        if inode_of(&stat_mount(opened.as_fd())?) == self.inode {
            return Ok(opened);
        }
        let reason = "was moved at the same time";
        Err(Error::new(ErrorKind::TargetMoved, STEP, reason).with_argument(&self.path))
    }
}

fn inode_of(stat: &Statx) -> Inode {
    (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino)
}

/// Returns the path of the descriptor's file if it leads to that file, on the same mount. It does
/// not for a deleted file and one in a detached tree.
pub(crate) fn path_to(fd: BorrowedFd<'_>) -> Option<PathBuf> {
    let path = path_of(fd).ok()?;
    let seen = open(&path).ok()?;
    is_same_place(seen.as_fd(), fd).is_ok_and(|is_same| is_same).then_some(path)
}
