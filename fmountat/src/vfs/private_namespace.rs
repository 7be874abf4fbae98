// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A nearly empty mount namespace of a handle, in which overlays and binds are created.
//!
//! For each bind and each overlay layer the kernel walks all mounts below the source's mount. This
//! namespace has no such mounts. Its root is a tmpfs. The needed directories of the host are bound
//! in it, each at its own path, without the mounts below (`vfs/host_view.rs`).

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::sys::procfs;
use crate::sys::thread::unshare_fs;
use crate::vfs::attr::MountAttr;
use crate::vfs::context::FsContext;
use crate::vfs::copied_namespace::copy_namespace;
use crate::vfs::host_view::{HostDirectory, View, Views};
use crate::vfs::namespace_thread::on_a_thread;
use crate::vfs::own_namespace::change_root;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

const STEP: Operation = Operation::MakePrivateMountNamespace;

/// The number of walks over all mounts below a crowded mount that cost as much as creating the
/// namespace, which copies every mount of the caller's: 2.2 us for each mount, against 22 ns for
/// each mount and walk.
pub(crate) const COPY: usize = 100;

/// The namespace of a [`Mounter`](crate::Mounter), created on first need.
#[derive(Debug, Default)]
pub(crate) struct PrivateNamespace {
    made: Mutex<Option<Arc<Namespace>>>,
    /// The number of walks so far that the namespace would have saved.
    walks: AtomicUsize,
    pub(crate) views: Views,
}

/// The namespace file, and the inodes that identify the file and the root directory. In a thread
/// with its own descriptor table the number of the file may be another file.
#[derive(Debug)]
struct Namespace {
    file: OwnedFd,
    inode: File,
    root: File,
}

/// The device and inode number.
type File = (u64, u64);

impl PrivateNamespace {
    /// Reports whether to use the namespace for a mount that would otherwise cause this number of
    /// walks below a mount with many child mounts. Returns true if the namespace exists, or if the
    /// walks so far have cost as much as its creation. The total cost is therefore at most twice
    /// that of the better choice.
    pub(crate) fn is_worth(&self, walks: usize) -> bool {
        self.existing().is_some() || self.walks.fetch_add(walks, Ordering::Relaxed) + walks > COPY
    }

    /// Runs `work` on a thread in the namespace.
    ///
    /// # Errors
    /// Those of unshare(2) and setns(2); [`ErrorKind::Unsupported`] in a chroot; those of `work`.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce(&Inside<'_>) -> Result<T> + Send) -> Result<T> {
        let made = self.made()?;
        on_a_thread(
            || made.enter(),
            || {
                let inside = Inside::new(&self.views)?;
                let done = work(&inside);
                inside.remove_views_of_one_use();
                done
            },
        )
    }

    fn existing(&self) -> Option<Arc<Namespace>> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.clone().filter(|made| made.is_ours())
    }

    fn made(&self) -> Result<Arc<Namespace>> {
        if let Some(made) = self.existing() {
            return Ok(made);
        }
        let made = Arc::new(on_a_thread(copy_namespace, Namespace::new)?);
        self.views.forget_all();
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&made));
        Ok(made)
    }
}

impl Namespace {
    /// Makes a tmpfs the root of the namespace that this thread is alone in, and detaches all else.
    fn new() -> Result<Self> {
        let file = procfs::namespace("mnt").map_err(|e| procfs::failed(STEP, "thread-self/ns/mnt", e))?;
        let tmpfs = FsContext::open("tmpfs")?.create()?.mount(&MountAttr::default())?;
        let top = rustix::io::fcntl_dupfd_cloexec(tmpfs.root(), 0)
            .map_err(|e| Error::sys(STEP, Syscall::Fcntl, e))?;
        change_root(Some(tmpfs), top.as_fd())?.detach()?;
        let (inode, root) = (inode_of(file.as_fd())?, inode_of(top.as_fd())?);
        Ok(Self { file, inode, root })
    }

    fn is_ours(&self) -> bool {
        inode_of(self.file.as_fd()).is_ok_and(|inode| inode == self.inode)
    }

    /// Moves the thread into the namespace. In a chroot its root would be another directory.
    fn enter(&self) -> Result<()> {
        unshare_fs().map_err(|e| Error::sys(STEP, Syscall::Unshare, e))?;
        move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Mount))
            .map_err(|e| Error::sys(Operation::EnterMountNamespace, Syscall::Setns, e))?;
        if inode_of(open_root()?.as_fd())? == self.root {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unsupported, STEP, "the process is in a chroot"))
    }
}

/// The namespace, for the thread in it.
pub(crate) struct Inside<'a> {
    root: OwnedFd,
    views: &'a Views,
    /// The view that is the root directory of the thread now.
    shown: Cell<Option<usize>>,
    used_once: RefCell<Vec<Arc<View>>>,
}

impl<'a> Inside<'a> {
    fn new(views: &'a Views) -> Result<Self> {
        Ok(Self { root: open_root()?, views, shown: Cell::new(None), used_once: RefCell::default() })
    }

    /// Returns the view of the directory, and attaches it if it is new.
    pub(crate) fn view(&self, directory: HostDirectory) -> Result<Arc<View>> {
        let view = self.views.attach(self.root.as_fd(), directory)?;
        if view.is_for_one_use() {
            self.used_once.borrow_mut().push(Arc::clone(&view));
        }
        Ok(view)
    }

    fn remove_views_of_one_use(&self) {
        for view in self.used_once.take() {
            view.remove(self.root.as_fd());
        }
    }

    /// Makes the view the root directory of the thread: host paths then lead to the view, and the
    /// kernel writes host paths to the mount table. Without a view, the root is that of the
    /// namespace.
    pub(crate) fn show(&self, view: Option<&View>) -> Result<()> {
        let number = view.map(|view| view.number);
        if self.shown.get() == number {
            return Ok(());
        }
        rustix::process::fchdir(&self.root).map_err(|e| Error::sys(STEP, Syscall::Fchdir, e))?;
        let name = number.map_or_else(|| String::from("."), |number| number.to_string());
        rustix::process::chroot(name).map_err(|e| Error::sys(STEP, Syscall::Chroot, e))?;
        self.shown.set(number);
        Ok(())
    }
}

fn open_root() -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, c"/", flags, Mode::empty()).map_err(|e| Error::sys(STEP, Syscall::Openat, e))
}

fn inode_of(fd: BorrowedFd<'_>) -> Result<File> {
    let stat = rustix::fs::fstat(fd).map_err(|e: Errno| Error::sys(STEP, Syscall::Fstat, e))?;
    Ok((stat.st_dev, stat.st_ino))
}
