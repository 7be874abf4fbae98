// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Namespaces of one's own: to mount without privilege, and to leave nothing when the process ends.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::mountinfo::id::MountinfoId;
use crate::sys::namespace::unshare_namespaces;
use crate::sys::procfs;
use crate::vfs::identity::is_shared;
use crate::vfs::target::Target;
use crate::vfs::tree::{Attached, Tree};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, MoveMountFlags, UnmountFlags};

/// The step of [`change_root`] and what follows it.
const STEP: Operation = Operation::EnterRoot;

/// Moves the calling process into a mount namespace of its own, private throughout, and its next child into a pid
/// namespace of its own. Where that needs privilege that the process lacks, a user namespace is made for it, in which
/// the process's user and group are root.
///
/// The process must have one thread: unshare(2).
///
/// # Errors
/// [`ErrorKind::Permission`] where user namespaces are not allowed, [`ErrorKind::Unsupported`] where there are none.
pub fn unshare_mount_and_pid() -> Result<()> {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    match unshare_namespaces(false) {
        Ok(()) => {}
        Err(Errno::PERM) => {
            // What can't be mapped could not be left again.
            procfs::need(Operation::MapUserAndGroup)?;
            unshare_namespaces(true).map_err(user_namespace_error)?;
            write_map("setgroups", "deny")?;
            write_map("uid_map", &format!("0 {} 1", uid.as_raw()))?;
            write_map("gid_map", &format!("0 {} 1", gid.as_raw()))?;
        }
        Err(errno) => return Err(Error::sys(Operation::MakeNamespaces, Syscall::Unshare, errno)),
    }
    make_private(Operation::MakeNamespaces)
}

/// Makes every mount of the calling thread's mount namespace private.
pub(crate) fn make_private(step: Operation) -> Result<()> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).map_err(|errno| {
        let error = Error::sys(step, Syscall::Mount, errno);
        if errno == Errno::INVAL { in_chroot(error) } else { error }
    })
}

fn in_chroot(error: Error) -> Error {
    error
        .with_reason("the root directory is not a mount point (chroot)")
        .with_hint("bind the new root directory on itself before chroot(2): `mount --bind DIR DIR`")
}

fn user_namespace_error(errno: Errno) -> Error {
    let error = Error::sys(Operation::MakeUserNamespace, Syscall::Unshare, errno);
    match errno {
        Errno::NOSPC | Errno::USERS => error
            .with_kind(ErrorKind::TooManyNamespaces)
            .with_reason("the limit of user namespaces is reached")
            .with_hint("raise the sysctl user.max_user_namespaces, or run as root"),
        Errno::PERM => error
            .with_reason("creating user namespaces is forbidden for this user, or the process is in a chroot")
            .with_hint(
                "run as root, or change the sysctls kernel.unprivileged_userns_clone and \
                 kernel.apparmor_restrict_unprivileged_userns",
            ),
        Errno::INVAL => {
            error.with_hint("call it from a process with one thread, on a kernel with user namespaces")
        }
        _ => error,
    }
}

fn write_map(file: &str, text: &str) -> Result<()> {
    let name = format!("thread-self/{file}");
    let failed = |errno| procfs::failed(Operation::MapUserAndGroup, &name, errno);
    let map = procfs::open(&*name, OFlags::WRONLY).map_err(failed)?;
    // The kernel takes a map in one write or not at all.
    rustix::io::write(map, text.as_bytes()).map(drop).map_err(|e| {
        Error::sys(Operation::MapUserAndGroup, Syscall::Write, e).with_argument(format!("/proc/{name}"))
    })
}

/// Makes `tree` the root of the calling process and its mount namespace, as it is seen from `top`, the uppermost of the mounts
/// on its root; without `tree`, what is seen from `top` is mounted already: pivot_root(2) onto itself. The old root lies over it
/// then, to be [taken away](OldRoot::take_away).
///
/// The mount on `/` becomes a slave first: on a shared one the kernel takes no new root, and its peers would get a copy of the
/// tree. After a failure the tree is detached again, and the cwd is as before.
///
/// # Errors
/// [`ErrorKind::Permission`]; the errno of pivot_root(2).
pub(crate) fn change_root(tree: Option<Tree>, top: BorrowedFd<'_>) -> Result<OldRoot> {
    let (old, cwd) = (open_dir("/")?, open_dir(".")?);
    let attached = tree.map(attach_to_root).transpose()?;
    let done = pivot(top).and_then(|peers| Ok(OldRoot { over: MountinfoId::of(top)?, old, peers }));
    done.inspect_err(|_| {
        if let Some(attached) = attached {
            // By no name in /proc, which may not be mounted here.
            let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            let _ = rustix::process::fchdir(attached.root())
                .and_then(|()| rustix::mount::mount_change(".", private))
                .and_then(|()| rustix::mount::unmount(".", UnmountFlags::DETACH));
        }
        let _ = rustix::process::fchdir(&cwd);
    })
}

fn attach_to_root(tree: Tree) -> Result<Attached> {
    // `/..` is the uppermost of the mounts on `/`, which the tree is attached to.
    rustix::mount::mount_change("/..", MountPropagationFlags::DOWNSTREAM).map_err(|errno| {
        let error = Error::sys(STEP, Syscall::Mount, errno);
        if errno == Errno::INVAL { in_chroot(error) } else { error }
    })?;
    Ok(tree.attach(&Target::open(CWD, "/")?)?)
}

/// pivot_root(2) to `top`, which leaves its peers for as long as the old root lies on it.
fn pivot(top: BorrowedFd<'_>) -> Result<Option<Peers>> {
    rustix::process::fchdir(top).map_err(|e| Error::sys(STEP, Syscall::Fchdir, e))?;
    let pivot_root = || rustix::process::pivot_root(".", ".");
    let failed = |e| Error::sys(STEP, Syscall::PivotRoot, e);
    match pivot_root() {
        Err(Errno::INVAL) if is_shared(top) => {
            let peers = Peers::leave(top)?;
            pivot_root().map_err(failed)?;
            Ok(Some(peers))
        }
        done => done.map(|()| None).map_err(failed),
    }
}

fn open_dir(path: &str) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
        .map_err(|e| Error::sys(STEP, Syscall::Open, e).with_argument(path))
}

/// The peer group and the master of a mount that is private for a while, kept by a copy of that mount.
struct Peers(Tree);

impl Peers {
    /// Makes the shared mount private that the cwd is the root of.
    fn leave(mount: BorrowedFd<'_>) -> Result<Self> {
        // The copy has all the mounts: the kernel copies no mount alone that has locked ones below.
        let copy = Tree::clone_of(mount, "", true)?;
        rustix::mount::mount_change(".", MountPropagationFlags::PRIVATE)
            .map_err(|e| Error::sys(STEP, Syscall::Mount, e))?;
        Ok(Self(copy))
    }

    /// Makes the private mount that the cwd is the root of a member again \[Linux 5.15\]; before that, and where the mount has
    /// locked ones below, the first of a new group.
    fn join(&self) -> Result<()> {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_SET_GROUP;
        rustix::mount::move_mount(self.0.root(), c"", CWD, c".", flags)
            .or_else(|_| rustix::mount::mount_change(".", MountPropagationFlags::SHARED))
            .map_err(|e| Error::sys(STEP, Syscall::Mount, e))
    }
}

/// What lies on the new root: the old one, and whatever was mounted over that.
#[must_use]
pub(crate) struct OldRoot {
    /// The mount that is the new root.
    over: MountinfoId,
    /// The root directory of the old one.
    old: OwnedFd,
    /// The peers of the new root, which it leaves until the old one is gone.
    peers: Option<Peers>,
}

impl OldRoot {
    /// Takes all of it away, with what is mounted in it: `umount2(MNT_DETACH)` of the uppermost until the new root is. What
    /// stayed would be reached by `/..`. The cwd is then `/`.
    ///
    /// All of it becomes slaves first, else each unmount would happen in the namespaces of its peers too. Slaves and not private:
    /// until it is detached, what is unmounted elsewhere is unmounted here, and not kept busy.
    pub(crate) fn take_away(self) -> Result<()> {
        rustix::process::fchdir(&self.old).map_err(|e| Error::sys(STEP, Syscall::Fchdir, e))?;
        // What is mounted over the old root is below it in the tree of mounts. `.` leads to no mount on it, nor needs a /proc.
        let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
        rustix::mount::mount_change(".", slave).map_err(|e| Error::sys(STEP, Syscall::Mount, e))?;
        loop {
            let uppermost = open_dir("/..")?;
            if MountinfoId::of(uppermost.as_fd())? == self.over {
                rustix::process::chdir("/").map_err(|e| Error::sys(STEP, Syscall::Chdir, e))?;
                return self.peers.map_or(Ok(()), |peers| peers.join());
            }
            drop(uppermost);
            rustix::mount::unmount("/..", UnmountFlags::DETACH).map_err(|errno| {
                let error = Error::sys(STEP, Syscall::Umount2, errno);
                match errno {
                    Errno::INVAL => error
                        .with_reason(
                            "a mount over the old `/` is locked in this user namespace, and would remain \
                             accessible",
                        )
                        .with_hint("run it as root, or in a mount namespace without a mount over `/`"),
                    _ => error,
                }
            })?;
        }
    }
}
