// SPDX-License-Identifier: Apache-2.0 OR MIT
//! New namespaces for the calling process, to mount without privilege and to leave nothing at its
//! end; pivot_root(2).

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::mountinfo::id::MountinfoId;
use crate::sys::namespace::unshare_flags;
use crate::sys::procfs;
use crate::vfs::identity::is_shared;
use crate::vfs::target::Target;
use crate::vfs::tree::{Attached, Tree};
use crate::vfs::user_namespace::Namespaces;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, MoveMountFlags, UnmountFlags};
use rustix::thread::UnshareFlags;

/// The operation in the errors of [`change_root`] and of what follows it.
const STEP: Operation = Operation::EnterRoot;

/// Moves the calling process into a new mount namespace whose mounts are all private, and its next
/// child into a new pid namespace. If the process lacks the privilege, creates a user namespace as
/// well, in which the user and group of the process are mapped to root.
///
/// The process must be single-threaded: unshare(2).
///
/// # Errors
/// [`ErrorKind::Permission`] where user namespaces are not permitted; [`ErrorKind::Unsupported`]
/// where the kernel has none.
pub fn unshare_mount_and_pid() -> Result<()> {
    let both = Namespaces::MOUNT | Namespaces::PID;
    if unshare_namespaces(both)? { Ok(()) } else { unshare_with_user(both) }
}

/// Moves the calling process into new namespaces. All mounts of a new mount namespace are private.
/// Returns false, and does nothing, if the process lacks the privilege.
///
/// # Errors
/// The errno of unshare(2); that of mount(2), after which the namespaces are new.
pub fn unshare_namespaces(new: Namespaces) -> Result<bool> {
    match unshare_flags(new.flags()) {
        Ok(()) => private_if_new(new).map(|()| true),
        Err(Errno::PERM) => Ok(false),
        Err(errno) => Err(Error::sys(Operation::MakeNamespaces, Syscall::Unshare, errno)),
    }
}

/// Moves the calling process into a new user namespace, in which its user and group are root and no
/// other ids are mapped, and into the new namespaces `owned` by it. All mounts of a new mount
/// namespace are private.
///
/// The process must be single-threaded: unshare(2).
///
/// # Errors
/// Those of [`unshare_mount_and_pid`].
pub fn unshare_with_user(owned: Namespaces) -> Result<()> {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    // Check /proc first: without it the maps can't be written, and a user namespace can't be left
    // again.
    procfs::need(Operation::MapUserAndGroup)?;
    unshare_flags(owned.flags() | UnshareFlags::NEWUSER).map_err(user_namespace_error)?;
    write_map("setgroups", "deny")?;
    write_map("uid_map", &format!("0 {} 1", uid.as_raw()))?;
    write_map("gid_map", &format!("0 {} 1", gid.as_raw()))?;
    private_if_new(owned)
}

fn private_if_new(new: Namespaces) -> Result<()> {
    if new.contains(Namespaces::MOUNT) { make_private(Operation::MakeNamespaces) } else { Ok(()) }
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
    // The kernel accepts a map in a single write only.
    rustix::io::write(map, text.as_bytes()).map(drop).map_err(|e| {
        Error::sys(Operation::MapUserAndGroup, Syscall::Write, e).with_argument(format!("/proc/{name}"))
    })
}

/// Makes `tree` the root of the calling process and of its mount namespace: pivot_root(2) onto
/// itself. `top` is the topmost mount on the root of the tree. Without `tree`, the mount at `top`
/// must be attached already. The old root is then mounted over the new one, until
/// [`OldRoot::detach`] detaches it.
///
/// The mount on `/` becomes a slave first: the kernel refuses a new root on a shared mount, and its
/// peers would receive a copy of the tree. After a failure the tree is detached again, and the cwd
/// is restored.
///
/// # Errors
/// [`ErrorKind::Permission`]; the errno of pivot_root(2).
pub(crate) fn change_root(tree: Option<Tree>, top: BorrowedFd<'_>) -> Result<OldRoot> {
    let (old, cwd) = (open_dir("/")?, open_dir(".")?);
    let attached = tree.map(attach_to_root).transpose()?;
    let done = pivot(top).and_then(|peers| Ok(OldRoot { over: MountinfoId::of(top)?, old, peers }));
    done.inspect_err(|_| {
        if let Some(attached) = attached {
            // Do not use a name in /proc, which may not be mounted here.
            let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            let _ = rustix::process::fchdir(attached.root())
                .and_then(|()| rustix::mount::mount_change(".", private))
                .and_then(|()| rustix::mount::unmount(".", UnmountFlags::DETACH));
        }
        let _ = rustix::process::fchdir(&cwd);
    })
}

fn attach_to_root(tree: Tree) -> Result<Attached> {
    // `/..` is the topmost of the mounts on `/`, to which the tree is attached.
    rustix::mount::mount_change("/..", MountPropagationFlags::DOWNSTREAM).map_err(|errno| {
        let error = Error::sys(STEP, Syscall::Mount, errno);
        if errno == Errno::INVAL { in_chroot(error) } else { error }
    })?;
    Ok(tree.attach(&Target::open(CWD, "/")?)?)
}

/// Calls pivot_root(2) onto `top`. If `top` is shared, removes it from its peer group first, for as
/// long as the old root is mounted over it.
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

/// The peer group and the master of a mount that is private for a while. A copy of that mount keeps
/// them.
struct Peers(Tree);

impl Peers {
    /// Makes the shared mount at the cwd private.
    fn leave(mount: BorrowedFd<'_>) -> Result<Self> {
        // The copy is recursive, because the kernel does not copy a mount with locked mounts below
        // it without them.
        let copy = Tree::clone_of(mount, "", true)?;
        rustix::mount::mount_change(".", MountPropagationFlags::PRIVATE)
            .map_err(|e| Error::sys(STEP, Syscall::Mount, e))?;
        Ok(Self(copy))
    }

    /// Makes the private mount at the cwd a member of its peer group again \[Linux 5.15\]. On older
    /// kernels, and where the mount has locked mounts below, makes it the first member of a new
    /// group.
    fn join(&self) -> Result<()> {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_SET_GROUP;
        rustix::mount::move_mount(self.0.root(), c"", CWD, c".", flags)
            .or_else(|_| rustix::mount::mount_change(".", MountPropagationFlags::SHARED))
            .map_err(|e| Error::sys(STEP, Syscall::Mount, e))
    }
}

/// The mounts over the new root: the old root, and whatever was mounted over that.
#[must_use]
pub(crate) struct OldRoot {
    /// The id of the new root mount.
    over: MountinfoId,
    /// The root directory of the old root.
    old: OwnedFd,
    /// The peer group of the new root, which it joins again when the old root is detached.
    peers: Option<Peers>,
}

impl OldRoot {
    /// Detaches all of it, with all mounts below: `umount2(MNT_DETACH)` of the topmost mount until
    /// the new root is the topmost. Any mount left would be reachable by `/..`. Afterwards the cwd
    /// is `/`.
    ///
    /// First all these mounts become slaves, because each unmount would otherwise propagate to
    /// their peers. They become slaves and not private: until it is detached, a mount that is
    /// unmounted in the old namespace is unmounted here too, and is not kept busy.
    pub(crate) fn detach(self) -> Result<()> {
        rustix::process::fchdir(&self.old).map_err(|e| Error::sys(STEP, Syscall::Fchdir, e))?;
        // Mounts over the old root are below it in the mount tree. `.` does not cross to them and
        // needs no /proc.
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
