// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A short-lived copy of the caller's mount namespace, on a thread: its mounts are invisible to
//! others and end with the thread. Its cost grows with the number of mounts of the host.

use crate::error::{Error, Operation, Result, Syscall};
use crate::sys::namespace::unshare_mounts;
use crate::sys::thread::unshare_fs;
use crate::vfs::hidden_place::HiddenPlace;
use crate::vfs::identity::is_dir;
use crate::vfs::namespace_thread::on_a_thread;
use crate::vfs::own_namespace::make_private;
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd};
use rustix::fs::{CWD, Mode, OFlags};

const STEP: Operation = Operation::MakePrivateMountNamespace;

/// Moves the thread into a copy of its mount namespace, with all mounts private: those of the
/// caller may be shared, and mounts made in the copy must not propagate.
pub(crate) fn copy_namespace() -> Result<()> {
    unshare_mounts().map_err(|e| Error::sys(STEP, Syscall::Unshare, e))?;
    make_private(STEP)
}

/// Runs `work` as [`in_copied_namespace`] does, with `dir` opened anew in that namespace. A
/// descriptor belongs to the mount namespace in which it was opened, and mount(2) refuses it in
/// another. The cwd of a thread, however, moves into the new namespace with the thread.
pub(crate) fn in_copied_namespace_from<T: Send>(
    dir: BorrowedFd<'_>,
    work: impl FnOnce(BorrowedFd<'_>) -> Result<T> + Send,
) -> Result<T> {
    on_a_thread(
        || {
            unshare_fs().map_err(|e| Error::sys(STEP, Syscall::Unshare, e))?;
            if dir.as_raw_fd() != CWD.as_raw_fd() {
                rustix::process::fchdir(dir).map_err(|e| Error::sys(STEP, Syscall::Fchdir, e))?;
            }
            copy_namespace()
        },
        || {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let here = rustix::fs::openat(CWD, c".", flags, Mode::empty())
                .map_err(|e| Error::sys(STEP, Syscall::Openat, e))?;
            work(here.as_fd())
        },
    )
}

/// Runs `work` on a new thread with a private copy of the caller's mount namespace, and waits for
/// it. Descriptors are shared: one that `work` opens is the caller's.
///
/// A detached tree can be attached in that namespace, and a copy of what is mounted there
/// (`open_tree(OPEN_TREE_CLONE)`) can be attached in the caller's. The cost of the copy grows with
/// the number of mounts in the namespace.
pub(crate) fn in_copied_namespace<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    on_a_thread(copy_namespace, work)
}

/// Runs `work` on the root of `tree` while the tree is attached in a copied namespace. Before 6.15
/// nothing can be copied out of a detached tree.
pub(crate) fn while_attached<T: Send>(
    tree: Tree,
    work: impl FnOnce(BorrowedFd<'_>) -> Result<T> + Send,
) -> Result<T> {
    in_copied_namespace(|| {
        let place = HiddenPlace::new(is_dir(tree.root())?)?;
        let attached = tree.attach(&place.target()?)?;
        work(attached.root())
    })
}
