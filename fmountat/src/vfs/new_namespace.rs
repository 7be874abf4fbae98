// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Makes a mount namespace that has a tree as its root, and nothing else.

use crate::error::{Error, Failed, Operation, Result, Syscall, or_give_back};
use crate::strategy::{MakeNamespace, Strategies};
use crate::sys::namespace::{OPEN_TREE_NAMESPACE, unshare_mounts};
use crate::sys::nsfs::mount_namespace_id;
use crate::sys::procfs;
use crate::vfs::copied_namespace::copy_namespace;
use crate::vfs::features::Features;
use crate::vfs::namespace_thread::on_a_thread;
use crate::vfs::own_namespace::change_root;
use crate::vfs::private_namespace::{COPY, PrivateNamespace};
use crate::vfs::privilege::needs_admin;
use crate::vfs::tree::{Tree, clone_flags};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

const STEP: Operation = Operation::MakeNamespaceOfSet;

/// Makes the namespace and returns its file. `top` is the topmost mount on the root of the tree.
///
/// Uses `open_tree(OPEN_TREE_NAMESPACE)` \[Linux 7.0\]. Before, a thread leaves the private
/// namespace, or the caller's, with unshare(2), makes the tree its root with pivot_root(2), and
/// detaches all else.
///
/// # Errors
/// The errno of these calls. [`Failed`] gives the tree back unless pivot_root(2) failed.
pub(crate) fn namespace_of(
    private: &PrivateNamespace,
    features: &Features,
    tree: Tree,
    top: BorrowedFd<'_>,
) -> Result<OwnedFd, Failed<Tree>> {
    match features.best() {
        Some(MakeNamespace::OfTree) => {
            MakeNamespace::OfTree.record();
            open_as_namespace(&tree).map_err(|error| Failed::giving_back(tree, error))
        }
        Some(MakeNamespace::Unshare) => {
            MakeNamespace::Unshare.record();
            by_unshare(private, tree, top)
        }
        None => {
            let error = Error::sys(STEP, Syscall::Unshare, Errno::PERM)
                .with_reason("a seccomp filter forbids unshare(2), or the process is in a chroot")
                .with_hint("use Linux 7.0 or newer, or allow unshare in the seccomp profile");
            Err(Failed::giving_back(tree, error))
        }
    }
}

fn open_as_namespace(tree: &Tree) -> Result<OwnedFd> {
    let flags = clone_flags(true) & !rustix::mount::OpenTreeFlags::OPEN_TREE_CLONE | OPEN_TREE_NAMESPACE;
    rustix::mount::open_tree(tree.root(), c"", flags).map_err(|errno| {
        let error = Error::sys(STEP, Syscall::OpenTree, errno);
        if errno == Errno::PERM { needs_admin(error) } else { error }
    })
}

fn by_unshare(private: &PrivateNamespace, tree: Tree, top: BorrowedFd<'_>) -> Result<OwnedFd, Failed<Tree>> {
    // In the private namespace there is no /proc to open.
    let proc = match procfs::root() {
        Ok(proc) => proc,
        Err(errno) => {
            return Err(Failed::giving_back(tree, procfs::failed(STEP, "thread-self/ns/mnt", errno)));
        }
    };
    let file = own_file(proc.as_fd());
    let (tree, file) = or_give_back(tree, file)?;
    let callers = Callers::of(file.as_fd());
    let become_root = || {
        let file = own_file(proc.as_fd())?;
        change_root(Some(tree), top)?.detach()?;
        Ok(file)
    };
    let made = match private.is_worth(COPY) {
        true => private.run(|_| {
            let unshare = || unshare_mounts().map_err(|e| Error::sys(STEP, Syscall::Unshare, e));
            leave(proc.as_fd(), callers, unshare)?;
            become_root()
        }),
        false => on_a_thread(|| leave(proc.as_fd(), callers, copy_namespace), become_root),
    };
    made.map_err(Failed::lost)
}

/// Opens the file of the thread's mount namespace, below an open /proc.
fn own_file(proc: BorrowedFd<'_>) -> Result<OwnedFd> {
    procfs::mount_namespace_below(proc).map_err(|e| procfs::failed(STEP, "thread-self/ns/mnt", e))
}

/// The id of the caller's mount namespace, and the CPUs that the caller may use.
#[derive(Clone, Copy)]
struct Callers {
    id: u64,
    cpus: CpuSet,
}

impl Callers {
    /// Returns `None` before Linux 6.11, where namespaces have no such id.
    fn of(file: BorrowedFd<'_>) -> Option<Self> {
        Some(Self { id: mount_namespace_id(file).ok()?, cpus: sched_getaffinity(None).ok()? })
    }
}

/// Leaves the thread's namespace with `unshare`, for one with a higher id than the caller's, so
/// that the caller can pin it: the kernel refuses to bind a namespace in one that it takes for
/// newer. It compares ids, and since Linux 6.18 each CPU draws them from a batch of its own, so
/// that the namespace made last may have the lower one. Then another CPU makes another.
fn leave(proc: BorrowedFd<'_>, callers: Option<Callers>, unshare: impl Fn() -> Result<()>) -> Result<()> {
    unshare()?;
    let Some(callers) = callers else { return Ok(()) };
    let is_newer = || -> Result<bool> {
        Ok(mount_namespace_id(own_file(proc)?.as_fd()).map_or(true, |own| own > callers.id))
    };
    let allowed = callers.cpus;
    for cpu in (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)) {
        if is_newer()? {
            return Ok(());
        }
        let mut only = CpuSet::new();
        only.set(cpu);
        if sched_setaffinity(None, &only).is_ok() {
            unshare()?;
        }
    }
    Ok(())
}
