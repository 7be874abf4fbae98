// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A detached mount tree, owned by a descriptor: invisible to others until it is attached.

use crate::error::{Error, ErrorKind, Failed, Operation, Result, Syscall, or_give_back};
use crate::mountinfo::id::{MountId, UniqueMountId};
use crate::vfs::attr::{MountAttr, Propagation, set_attr};
use crate::vfs::bytes::c_string;
use crate::vfs::identity::{is_deleted, is_dir, is_mount_root, is_shared, is_unbindable};
use crate::vfs::privilege::needs_admin;
use crate::vfs::target::Target;
use crate::vfs::verify::verify;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags};
use std::path::Path;

/// A detached mount, with all mounts inside it.
///
/// Dropping it dissolves the tree. Nothing remains to be cleaned up after an error, a panic or
/// `kill -9`. [`attach`](Self::attach) publishes it, all mounts at once.
///
/// Finish a tree before you mount it into another: the kernel changes the attributes of a detached
/// tree's *root* only, not those of a mount inside it.
///
/// ```no_run
/// use fmountat::{Attr, MountAttr, Target, Tree};
/// use fmountat::call::FsContext;
/// let root = std::fs::File::open("/")?;
/// let tree = Tree::clone_of(&root, "srv/image", false)?;
/// let mut context = FsContext::open("tmpfs")?;
/// context.set_string("size", "16m")?;
/// let tmp = context.create()?.mount(&MountAttr { set: Attr::NODEV, ..Default::default() })?;
/// tree.mount(tmp, "tmp")?;
/// tree.attach(&Target::open(&root, "mnt")?)?; // both appear now
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Tree {
    fd: OwnedFd,
}

impl Tree {
    pub(crate) fn from_fd(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Copies the mount at `path`, relative to `dir`, and with `recursive` the mounts below it:
    /// `open_tree(dir, path, OPEN_TREE_CLONE)` \[Linux 5.2\]. Symbolic links are followed, as in
    /// mount(8).
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Permission`]; [`ErrorKind::System`] with `EINVAL`
    /// where the copy would reveal what a locked mount covers (in a user namespace, without
    /// `recursive`).
    pub fn clone_of(dir: impl AsFd, path: impl AsRef<Path>, recursive: bool) -> Result<Self> {
        let path = path.as_ref();
        let c_path = c_string(Operation::ReadSource, path)?;
        let fd = rustix::mount::open_tree(dir, &*c_path, clone_flags(recursive)).map_err(|errno| {
            let error = Error::sys(Operation::CloneMount, Syscall::OpenTree, errno).with_argument(path);
            match errno {
                Errno::INVAL if !recursive => error.with_hint(
                    "bind it with all mounts below it (rbind): they are locked in this user \
                                namespace",
                ),
                Errno::PERM => needs_admin(error),
                _ => error,
            }
        })?;
        Ok(Self { fd })
    }

    /// Copies all mounts at the target and makes the copy private: mounts made in it do not
    /// propagate.
    pub(crate) fn private_copy(target: &Target) -> Result<Self> {
        let copy = Self::clone_of(target, "", true).map_err(|error| {
            match error.raw_errno() == Some(Errno::INVAL) && is_unbindable(target.as_fd()) {
                true => unbindable_target(target),
                false => error.with_argument(target.path()),
            }
        })?;
        let private = MountAttr { propagation: Some(Propagation::Private), ..MountAttr::default() };
        copy.set_attr(&private, true)?;
        Ok(copy)
    }

    pub(crate) fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// Returns the descriptor of the tree's root (`O_PATH`).
    #[must_use]
    pub fn root(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Returns the unique id of the tree's root mount. Attaching the tree does not change it.
    ///
    /// # Errors
    /// The errno of statx(2).
    pub fn id(&self) -> Result<MountId> {
        MountId::of(self.root())
    }

    /// Changes the attributes and propagation of the root mount, and with `recursive` those of all
    /// mounts of the tree: mount_setattr(2) \[Linux 5.12\].
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] for an attribute that this user namespace must not clear, see
    /// user_namespaces(7); [`ErrorKind::Permission`]; [`ErrorKind::System`] with `EINVAL` once the
    /// tree is part of another.
    pub fn set_attr(&self, attr: &MountAttr, recursive: bool) -> Result<()> {
        set_attr(self.root(), attr, recursive)
    }

    /// Mounts `child` on `path` inside this tree \[Linux 6.15\]. The path is resolved below the
    /// root: absolute links and `..` do not leave it. Afterwards the path is resolved again, and
    /// must lead to the child.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a path that doesn't exist; [`ErrorKind::WrongTargetType`] for a
    /// file on a directory; [`ErrorKind::TargetMoved`] if somebody renamed the target meanwhile;
    /// [`ErrorKind::Unsupported`] before 6.15.
    pub fn mount(&self, child: Self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        child.mount_on(&Target::in_root(self.root(), path)?)?;
        Ok(())
    }

    /// Publishes the tree with one move_mount(2), after which every mount in it is visible at
    /// `target`.
    ///
    /// Symbolic links were followed when the [`Target`] was opened, and are not followed here. If
    /// the target is inside a root ([`Target::in_root`]), its path is resolved again afterwards,
    /// inside that root. If the target was moved meanwhile, the tree is detached again.
    ///
    /// # Errors
    /// [`ErrorKind::TargetMoved`]; [`ErrorKind::WrongTargetType`] for a file on a directory or the
    /// reverse; [`ErrorKind::NotFound`] when the target was removed meanwhile;
    /// [`ErrorKind::Permission`]. [`Failed`] returns the tree, unless the target was moved
    /// meanwhile.
    pub fn attach(self, target: &Target) -> Result<Attached, Failed<Self>> {
        self.mount_on(target)
    }

    /// Publishes the tree **beneath** the topmost mount at `target`. Unmounting that mount then
    /// reveals this one without a gap: `MOVE_MOUNT_BENEATH` \[Linux 6.5\].
    ///
    /// # Errors
    /// [`ErrorKind::NotMounted`] when nothing is mounted there.
    pub fn attach_beneath(self, target: &Target) -> Result<Attached, Failed<Self>> {
        let (tree, is_mounted) = or_give_back(self, is_mount_root(target.as_fd()))?;
        if !is_mounted {
            let reason = "is not mounted, so there is nothing to replace";
            let error = Error::new(ErrorKind::NotMounted, Operation::Replace, reason);
            return Err(Failed::giving_back(tree, error.with_argument(target.path())));
        }
        tree.move_to(target, MoveMountFlags::MOVE_MOUNT_BENEATH)
    }

    /// Attaches the tree at `root` without taking ownership of the descriptor.
    pub(crate) fn attach_by(root: BorrowedFd<'_>, target: &Target) -> Result<()> {
        let fd = rustix::io::fcntl_dupfd_cloexec(root, 0)
            .map_err(|e| Error::sys(Operation::Attach, Syscall::Fcntl, e))?;
        Self { fd }.mount_on(target)?;
        Ok(())
    }

    fn mount_on(self, target: &Target) -> Result<Attached, Failed<Self>> {
        self.move_to(target, MoveMountFlags::empty())
    }

    fn move_to(self, target: &Target, flags: MoveMountFlags) -> Result<Attached, Failed<Self>> {
        let flags = flags | MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        let moved = self.id().and_then(|id| {
            rustix::mount::move_mount(&self.fd, c"", target.as_fd(), c"", flags)
                .map_err(|errno| self.explain_move(target, errno))?;
            Ok(id)
        });
        let (tree, id) = or_give_back(self, moved)?;
        if target.is_in_root() {
            verify(target, tree.fd.as_fd(), id).map_err(Failed::lost)?;
        }
        target.keep();
        Ok(Attached::new(tree.fd, id))
    }

    pub(crate) fn explain_move(&self, target: &Target, errno: Errno) -> Error {
        let error = Error::sys(Operation::Attach, Syscall::MoveMount, errno).with_argument(target.path());
        let source_is_dir = is_dir(self.root());
        match (errno, source_is_dir) {
            (Errno::INVAL | Errno::NOTDIR, Ok(dir)) if dir != target.is_dir() => wrong_type(error, dir),
            (Errno::NOENT, _) if is_deleted(self.root()) => error
                .with_reason("the source was deleted, and the kernel mounts no deleted file or directory"),
            (Errno::NOENT, _) => error.with_reason("the target was removed at the same time"),
            (Errno::PERM, _) => needs_admin(error),
            (Errno::INVAL, _) if is_shared(target.as_fd()) => error.with_hint(UNBINDABLE_ON_SHARED),
            (Errno::INVAL, _) => error.with_hint(
                "use Linux 6.15 or newer to mount into a detached tree; a target in another mount namespace \
                 is not possible",
            ),
            _ => error,
        }
    }
}

/// Adds the kind, the reason and the hint for mounting a directory (`is_dir`) on a file, or a file
/// on a directory.
pub(crate) fn wrong_type(error: Error, is_dir: bool) -> Error {
    let (what, on) = if is_dir { ("directory", "file") } else { ("file", "directory") };
    error
        .with_kind(ErrorKind::WrongTargetType)
        .with_reason(format!("a {what} can't be mounted on a {on}"))
        .with_hint(format!("use a {what} as the target"))
}

impl AsFd for Tree {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.root()
    }
}

/// `attach_recursive_mnt()`, fs/namespace.c.
const UNBINDABLE_ON_SHARED: &str = "remove `unbindable`, or make the target's mount private (`mount \
                                    --make-private`): an unbindable mount can't be attached below a shared \
                                    mount";

/// Refuses to attach an unbindable mount on a shared one.
pub(crate) fn unbindable_on_shared(target: &Target) -> Error {
    Error::sys(Operation::Attach, Syscall::MoveMount, Errno::INVAL)
        .with_argument(target.path())
        .with_hint(UNBINDABLE_ON_SHARED)
}

/// Refuses a target on an unbindable mount, which can't be copied.
pub(crate) fn unbindable_target(target: &Target) -> Error {
    Error::sys(Operation::CloneMount, Syscall::OpenTree, Errno::INVAL)
        .with_kind(ErrorKind::Unbindable)
        .with_argument(target.path())
        .with_reason(
            "is on an unbindable mount, and a set without a mount for `/` needs a copy of the target",
        )
        .with_hint(
            "add a first mount with the target `/`, or make that mount private: `mount --make-private`",
        )
}

pub(crate) fn clone_flags(recursive: bool) -> OpenTreeFlags {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    if recursive { flags | OpenTreeFlags::AT_RECURSIVE } else { flags }
}

/// An attached mount, in a mount namespace or in another tree.
///
/// It holds a descriptor, which keeps the mount busy: drop it before you unmount.
#[derive(Debug)]
pub struct Attached {
    fd: OwnedFd,
    id: MountId,
    /// The newest mount of the set at the time it was published, if it was determined.
    newest: Option<UniqueMountId>,
}

impl Attached {
    pub(crate) fn new(fd: OwnedFd, id: MountId) -> Self {
        Self { fd, id, newest: None }
    }

    /// Records the newest mount of the set: a mount in it with a greater id does not belong to it.
    pub(crate) fn known_to(self, newest: Option<UniqueMountId>) -> Self {
        Self { newest, ..self }
    }

    pub(crate) fn newest(&self) -> Option<UniqueMountId> {
        self.newest
    }

    /// Returns the identity of the mount.
    #[must_use]
    pub fn id(&self) -> MountId {
        self.id
    }

    /// Returns the descriptor of the mount's root (`O_PATH`).
    #[must_use]
    pub fn root(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(crate) fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

impl AsFd for Attached {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.root()
    }
}
