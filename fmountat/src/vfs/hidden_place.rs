// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Places to attach trees in our own mount namespace: on a directory that nobody uses, and excluded
//! from recursive binds.
//!
//! A mount on `/` would not do. A path that leads up beyond the root (`../../../srv`) ends on the
//! topmost mount there, and in a namespace with a mount over its root the kernel makes no user
//! namespace (`current_chrooted()`).

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::sys::procfs;
use crate::vfs::attr::{MountAttr, Propagation, set_attr};
use crate::vfs::context::FsContext;
use crate::vfs::detach::detach_fd;
use crate::vfs::identity::{is_dir, table_entry};
use crate::vfs::target::Target;
use crate::vfs::tree::Tree;
use crate::vfs::verify::is_on_top;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const NAME: &str = "place";

const STEP: Operation = Operation::MakePlaceToMountOn;

/// The directories to use, best first. The first is always empty, and exists only for old programs
/// (fs/proc/proc_tty.c). `net` exists also in a procfs that shows only processes (`subset=pid`).
/// Without a procfs it is `/`.
const DIRECTORIES: [&str; 5] = ["/proc/tty/ldisc", "/proc/bus", "/proc/driver", procfs::NET, "/"];

/// A mount point in a tmpfs on such a directory. It ends with the namespace.
#[derive(Debug)]
pub(crate) struct HiddenPlace {
    parent: OwnedFd,
    place: OwnedFd,
}

impl HiddenPlace {
    /// Creates the mount point as a directory or a file.
    pub(crate) fn new(is_dir: bool) -> Result<Self> {
        let parent = mount_parent(&directory()?, is_dir)?;
        make_unbindable(parent.as_fd())?;
        let place = open(parent.as_fd()).map_err(|e| Error::sys(STEP, Syscall::Openat, e))?;
        Ok(Self { parent, place })
    }

    /// Attaches the tree at `root` to a new one, without taking ownership of the descriptor.
    pub(crate) fn with(root: BorrowedFd<'_>) -> Result<()> {
        Tree::attach_by(root, &Self::new(is_dir(root)?)?.target()?)
    }

    /// Returns the mount point as a target for move_mount(2).
    pub(crate) fn target(&self) -> Result<Target> {
        Target::open(&self.parent, NAME)
    }

    /// Returns its name for mount(2).
    pub(crate) fn name(&self) -> Result<PathBuf> {
        procfs::name_for(STEP, self.place.as_fd())
    }

    /// Opens the root of what is mounted on it now.
    pub(crate) fn mounted(&self) -> Result<OwnedFd> {
        open(self.parent.as_fd()).map_err(|e| Error::sys(Operation::LookAtMount, Syscall::Openat, e))
    }
}

/// A tmpfs in the mount namespace of the process, in which trees are attached out of reach of other
/// paths. Dropping the last [`Hidden`] detaches it.
#[derive(Debug)]
pub(crate) struct HiddenDirectory {
    mount: OwnedFd,
    places: AtomicUsize,
    is_left: AtomicBool,
}

/// A tree that is attached in such a directory. Dropping it unmounts the tree.
#[derive(Debug)]
pub(crate) struct Hidden {
    name: String,
    directory: Arc<HiddenDirectory>,
}

impl HiddenDirectory {
    /// Mounts such a tmpfs. The mount namespace of the process must not be shared with others.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where the mount would propagate to other namespaces, or mountinfo
    /// does not list the place.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let directory = directory()?;
        need_private(&directory)?;
        let tree = FsContext::open("tmpfs")?.create()?.mount(&MountAttr::default())?;
        let mount = tree.attach(&directory)?.into_fd();
        // From here on dropping it detaches the tmpfs.
        let (places, is_left) = (AtomicUsize::new(0), AtomicBool::new(false));
        let hidden = Arc::new(Self { mount, places, is_left });
        make_unbindable(hidden.mount.as_fd())?;
        Ok(hidden)
    }

    /// Reports whether it was left with the old root.
    pub(crate) fn is_left(&self) -> bool {
        self.is_left.load(Ordering::Relaxed)
    }
}

impl Hidden {
    /// Attaches the tree at `root` without taking ownership of the descriptor.
    pub(crate) fn new(directory: Arc<HiddenDirectory>, root: BorrowedFd<'_>) -> Result<Self> {
        let name = directory.places.fetch_add(1, Ordering::Relaxed).to_string();
        make_place(directory.mount.as_fd(), &name, is_dir(root)?)?;
        let hidden = Self { name, directory };
        Tree::attach_by(root, &Target::open(&hidden.directory.mount, &hidden.name)?)?;
        Ok(hidden)
    }

    /// Leaves everything in the directory mounted: it was detached with the old root, or the caller
    /// unmounts it.
    pub(crate) fn leave(&self) {
        self.directory.is_left.store(true, Ordering::Relaxed);
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if !self.directory.is_left() {
            // No caller can act on a failure. A mount that is left ends with the namespace.
            if let Ok(parent) = procfs::descriptor_name(self.directory.mount.as_fd()) {
                let _ = rustix::mount::unmount(parent.join(&self.name), UnmountFlags::DETACH);
            }
        }
    }
}

impl Drop for HiddenDirectory {
    fn drop(&mut self) {
        // If somebody mounted over it since, it is not ours to detach; an empty directory remains.
        if !self.is_left() && is_on_top(self.mount.as_fd()) {
            let _ = detach_fd(self.mount.as_fd());
        }
    }
}

/// Returns the first usable directory.
pub(crate) fn directory() -> Result<Target> {
    for path in DIRECTORIES {
        match Target::open(CWD, path) {
            Ok(directory) if directory.is_dir() => return Ok(directory),
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Permission) => {
                return Err(error);
            }
            _ => {}
        }
    }
    Err(Error::new(ErrorKind::NotFound, STEP, "no directory to mount on could be opened").with_argument("/"))
}

/// Mounts the tmpfs that holds the mount point. Nothing can fail between the mount and the return
/// of its descriptor.
fn mount_parent(directory: &Target, is_dir: bool) -> Result<OwnedFd> {
    let tree = FsContext::open("tmpfs")?.create()?.mount(&MountAttr::default())?;
    make_place(tree.root(), NAME, is_dir)?;
    Ok(tree.attach(directory)?.into_fd())
}

/// Creates a directory or a file to mount on.
fn make_place(parent: BorrowedFd<'_>, name: &str, is_dir: bool) -> Result<()> {
    if is_dir {
        return rustix::fs::mkdirat(parent, name, Mode::RWXU)
            .map_err(|e| Error::sys(STEP, Syscall::Mkdirat, e));
    }
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::RUSR)
        .map(drop)
        .map_err(|e| Error::sys(STEP, Syscall::Openat, e))
}

/// Makes the tmpfs unbindable. Mounts inside it can still be copied; a recursive bind of `/` skips
/// them all.
fn make_unbindable(parent: BorrowedFd<'_>) -> Result<()> {
    let unbindable = MountAttr { propagation: Some(Propagation::Unbindable), ..MountAttr::default() };
    set_attr(parent, &unbindable, false)
}

fn need_private(directory: &Target) -> Result<()> {
    if table_entry(directory.as_fd())?.is_some_and(|entry| entry.shared.is_none()) {
        return Ok(());
    }
    let reason = "this process's mount namespace has shared propagation: each mount would be visible outside";
    Err(Error::new(ErrorKind::Unsupported, Operation::BuildInOwnNamespace, reason)
        .with_hint("enter a private mount namespace first: `unshare_mount_and_pid`, or `unshare --mount`"))
}

fn open(parent: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(parent, NAME, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
}
