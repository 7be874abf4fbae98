// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Another mount namespace, in which trees that were built here are attached.

use crate::error::{Error, ErrorKind, Failed, Operation, Result, Syscall, or_give_back};
use crate::sys::inside::{Act, InsideStep, Namespaces, enter, inside};
use crate::sys::pre_exec::enter_namespaces;
use crate::sys::procfs;
use crate::vfs::create::Create;
use crate::vfs::identity::is_shared;
use crate::vfs::privilege::needs_admin;
use crate::vfs::target::Target;
use crate::vfs::tree::{Attached, Tree};
use crate::vfs::verify::verify_with;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::MoveMountFlags;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::ffi::{CString, OsStr};
use std::path::Path;
use std::process::Command;

/// Another mount namespace, and the root directory that its paths start at.
///
/// Paths are resolved from outside, with descriptors, below that root. A child makes the calls that
/// must run inside, such as move_mount(2). It shares memory and descriptors with us
/// (`CLONE_VM|CLONE_VFORK|CLONE_FILES`) and enters with setns(2). The calling process may have many
/// threads and does not change its namespace.
///
/// ```no_run
/// use fmountat::{MountNamespace, Tree};
/// let container = MountNamespace::from_pid(1234)?;
/// let data = Tree::clone_of(fmountat::CWD, "/srv/data", true)?; // of the host
/// container.attach(data, &container.target("/mnt/data")?)?; // visible in the container only
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug)]
pub struct MountNamespace {
    mount: OwnedFd,
    /// The user namespace to enter first, if we lack privilege over the mount namespace from
    /// outside.
    user: Option<OwnedFd>,
    root: OwnedFd,
}

impl MountNamespace {
    /// Opens the mount namespace of the process `pid`, with its root directory. A pidfd holds the
    /// process while its files in /proc are opened, and the process must still run afterwards: so
    /// the files are not those of another process with the same number.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such process; [`ErrorKind::Unsupported`] without a
    /// verified /proc; [`ErrorKind::Permission`] by the rules of ptrace(2).
    pub fn from_pid(pid: i32) -> Result<Self> {
        let named = |call: Syscall, e: Errno| {
            Error::sys(Operation::OpenProcess, call, e).with_argument(pid.to_string())
        };
        let no_such = || {
            let error = named(Syscall::PidfdOpen, Errno::SRCH).with_kind(ErrorKind::NotFound);
            error.with_reason("no such process")
        };
        let number = (pid > 0).then(|| Pid::from_raw(pid)).flatten().ok_or_else(no_such)?;
        let pidfd = match pidfd_open(number, PidfdFlags::empty()) {
            Ok(pidfd) => Some(pidfd),
            Err(Errno::SRCH | Errno::INVAL) => return Err(no_such()),
            // Before 5.3 there are no pidfds.
            Err(Errno::NOSYS) => None,
            Err(errno) => return Err(named(Syscall::PidfdOpen, errno)),
        };
        procfs::need(Operation::OpenProcess)?;
        let proc_file = |directory: &str, name: &str, flags: OFlags| {
            procfs::open_link(directory, name, flags).map_err(|e| match e {
                Errno::NOENT => no_such(),
                Errno::ACCESS | Errno::PERM => named(Syscall::Openat, e)
                    .with_reason("access to the namespaces of this process is denied")
                    .with_hint(
                        "run it as root, or as the user of that process: it requires the ptrace(2) access \
                         mode PTRACE_MODE_READ",
                    ),
                _ => named(Syscall::Openat, e),
            })
        };
        let (process, namespaces) = (pid.to_string(), format!("{pid}/ns"));
        let mount = proc_file(&namespaces, "mnt", OFlags::RDONLY)?;
        let user = proc_file(&namespaces, "user", OFlags::RDONLY)?;
        let root = proc_file(&process, "root", OFlags::PATH | OFlags::DIRECTORY)?;
        if pidfd.is_some_and(|pidfd| has_ended(&pidfd)) {
            return Err(no_such());
        }
        let mut namespace = Self { mount, user: None, root };
        if namespace.act(&Act::OpenRoot).is_err_and(|(_, errno)| errno == Errno::PERM) {
            namespace.user = Some(user);
        }
        Ok(namespace)
    }

    /// Opens a namespace file: `/proc/PID/ns/mnt` or a bind mount of one. The root is that of the
    /// namespace.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::OptionValue`] for a file that is not a mount
    /// namespace; [`ErrorKind::Permission`].
    pub fn from_file(dir: impl AsFd, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let mount = rustix::fs::openat(dir, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|e| Error::sys(Operation::OpenMountNamespace, Syscall::Openat, e).with_argument(path))?;
        Self::of_file(mount).map_err(|e| e.with_argument_if_none(path))
    }

    /// Takes an open namespace file.
    pub(crate) fn of_file(mount: OwnedFd) -> Result<Self> {
        let named = |call, errno| Error::sys(Operation::OpenMountNamespace, call, errno);
        let to = Namespaces { user: None, mount: mount.as_fd() };
        let root = inside(to, &Act::OpenRoot).map_err(|(step, errno)| match (step, errno) {
            (InsideStep::Enter, Errno::INVAL) => named(Syscall::Setns, errno)
                .with_kind(ErrorKind::OptionValue)
                .with_reason("is not a mount namespace"),
            (step, errno) => entering(step, errno),
        })?;
        let root = root.ok_or_else(|| named(Syscall::Openat, Errno::NOENT))?;
        Ok(Self { mount, user: None, root })
    }

    /// Pins the namespace: binds its file on `file`, which must be a regular file. It then exists
    /// until `file` is unmounted, and nsenter(1) and [`from_file`](Self::from_file) find it there:
    /// `open_tree(OPEN_TREE_CLONE)`, move_mount(2).
    ///
    /// # Errors
    /// [`ErrorKind::WrongTargetType`] for a directory; [`ErrorKind::Unsupported`] on a mount with
    /// shared propagation, where the kernel allows no bind of a mount namespace;
    /// [`ErrorKind::Permission`].
    pub fn pin(&self, file: &Target) -> Result<Attached> {
        if is_shared(file.as_fd()) {
            let reason = "is on a mount with shared propagation, which can't hold a mount namespace";
            return Err(Error::new(ErrorKind::Unsupported, Operation::PinNamespace, reason)
                .with_argument(file.path())
                .with_hint(
                    "use a file on a private mount: `mount --bind DIR DIR && mount --make-private DIR`",
                ));
        }
        let copy =
            Tree::clone_of(&self.mount, "", false).map_err(|e| e.with_operation(Operation::PinNamespace))?;
        copy.attach(file).map_err(|failed| {
            let error = Error::from(failed);
            match error.raw_errno() {
                Some(Errno::LOOP) => error
                    .with_operation(Operation::PinNamespace)
                    .with_reason("the kernel takes it for older than the mount namespace that the file is in")
                    .with_hint("let the process use all CPUs, or pin it from the initial mount namespace"),
                _ => error,
            }
        })
    }

    /// Returns a [`Command`] whose child starts in the namespace, by setns(2) between fork(2) and
    /// execve(2). The child's root and cwd are the root of the namespace: [`Command::current_dir`]
    /// has no effect. The program is looked up in the namespace.
    ///
    /// # Errors
    /// EMFILE, if the namespace can't be given to the command. The command itself fails with the
    /// errno of setns(2).
    pub fn command(&self, program: impl AsRef<OsStr>) -> Result<Command> {
        let copy = |fd: &OwnedFd| {
            rustix::io::fcntl_dupfd_cloexec(fd, 0)
                .map_err(|e| Error::sys(Operation::EnterMountNamespace, Syscall::Fcntl, e))
        };
        let mut command = Command::new(program);
        enter_namespaces(&mut command, self.user.as_ref().map(copy).transpose()?, copy(&self.mount)?);
        Ok(command)
    }

    /// Returns the descriptor of its root directory (`O_PATH`).
    #[must_use]
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Opens a target in it, below its root: see [`Target::in_root`].
    ///
    /// # Errors
    /// Those of [`Target::in_root`].
    pub fn target(&self, path: impl AsRef<Path>) -> Result<Target> {
        Target::in_root(&self.root, path)
    }

    /// Opens a target and creates what is missing: see [`Target::create_in_root`]. It is created
    /// from outside, with the user and group of the caller.
    ///
    /// # Errors
    /// Those of [`Target::create_in_root`].
    pub fn create(&self, path: impl AsRef<Path>, create: Create) -> Result<Target> {
        Target::create_in_root(&self.root, path, create)
    }

    /// Publishes a tree on a target of this namespace, and verifies that it is there: see
    /// [`Tree::attach`].
    ///
    /// # Errors
    /// Those of [`Tree::attach`]; [`ErrorKind::Permission`] for setns(2). [`Failed`] returns the
    /// tree, unless the target was moved meanwhile.
    pub fn attach(&self, tree: Tree, target: &Target) -> Result<Attached, Failed<Tree>> {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        let moved = tree.id().and_then(|id| {
            self.act(&Act::Move(tree.root(), target.as_fd(), flags)).map_err(|(step, errno)| match step {
                InsideStep::Act => tree.explain_move(target, errno),
                _ => entering(step, errno),
            })?;
            Ok(id)
        });
        let (tree, id) = or_give_back(tree, moved)?;
        let fd = tree.into_fd();
        verify_with(target, fd.as_fd(), id, || self.take_back(fd.as_fd())).map_err(Failed::lost)?;
        target.keep();
        Ok(Attached::new(fd, id))
    }

    /// Returns the descriptor of the namespace file.
    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.mount.as_fd()
    }

    /// Reports whether the process `pid` is in this namespace.
    pub(crate) fn has_process(&self, pid: i32) -> bool {
        let of_process = procfs::open_link(&format!("{pid}/ns"), "mnt", OFlags::RDONLY)
            .and_then(|file| rustix::fs::fstat(&file));
        let own = rustix::fs::fstat(&self.mount);
        matches!((of_process, own), (Ok(a), Ok(b)) if (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
    }

    /// Opens the mount table of the namespace, below its root. A child inside opens it by its own
    /// name in our /proc.
    pub(crate) fn open_mountinfo(&self) -> Result<OwnedFd> {
        let failed = |errno| procfs::failed(Operation::ReadMountTable, "thread-self/mountinfo", errno);
        let proc = procfs::root().map_err(failed)?;
        let table = Act::Open(proc.as_fd(), c"thread-self/mountinfo");
        let opened = self.act(&table).map_err(|(step, errno)| match step {
            InsideStep::Act => failed(errno),
            _ => entering(step, errno),
        })?;
        opened.ok_or_else(|| failed(Errno::NOENT))
    }

    /// Moves the calling process into the namespace permanently. Its cwd and root become the root
    /// of the namespace. The process must be single-threaded: setns(2).
    ///
    /// # Errors
    /// [`ErrorKind::Permission`]; [`ErrorKind::System`] with `EINVAL` for a process with several
    /// threads.
    pub fn enter(&self) -> Result<()> {
        enter(&self.namespaces()).map_err(|e| entering(InsideStep::Enter, e))
    }

    /// Detaches the mount by the name of our descriptor: inside there may be another /proc, or
    /// none.
    fn take_back(&self, fd: BorrowedFd<'_>) {
        if let (Ok(names), Ok(name)) = (procfs::descriptors(), CString::new(fd.as_raw_fd().to_string())) {
            // The caller returns the error that led here.
            let _ = self.act(&Act::Unmount(names.as_fd(), &name));
        }
    }

    fn act(&self, act: &Act<'_>) -> std::result::Result<Option<OwnedFd>, (InsideStep, Errno)> {
        inside(self.namespaces(), act)
    }

    fn namespaces(&self) -> Namespaces<'_> {
        Namespaces { user: self.user.as_ref().map(AsFd::as_fd), mount: self.mount.as_fd() }
    }
}

fn entering(step: InsideStep, errno: Errno) -> Error {
    match step {
        InsideStep::Clone => Error::sys(Operation::EnterMountNamespace, Syscall::Clone, errno),
        InsideStep::Enter | InsideStep::Act => {
            let error = Error::sys(Operation::EnterMountNamespace, Syscall::Setns, errno);
            if errno == Errno::PERM { needs_admin(error) } else { error }
        }
    }
}

fn has_ended(pidfd: &OwnedFd) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut ended = [PollFd::new(pidfd, PollFlags::IN)];
    poll(&mut ended, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|count| count > 0)
}

impl Tree {
    /// Takes a tree that another process built and sent (`SCM_RIGHTS`, unix(7)): the descriptor of
    /// the root of a detached mount. It can be attached here although it was made in another mount
    /// namespace.
    ///
    /// # Errors
    /// [`ErrorKind::OptionConflict`] for a descriptor that is not the root of a mount, or whose
    /// mount is attached in this namespace: moving it would remove it from its mount point.
    pub fn received(fd: OwnedFd) -> Result<Self> {
        let refused =
            |reason: &str| Err(Error::new(ErrorKind::OptionConflict, Operation::TakeOverTree, reason));
        if !crate::vfs::identity::is_mount_root(fd.as_fd())? {
            return refused("the descriptor is not the root of a mount");
        }
        if crate::vfs::identity::is_attached_here(fd.as_fd())? {
            return refused("the mount is attached, and only a detached tree can be taken over");
        }
        Ok(Self::from_fd(fd))
    }
}

/// Converts the tree to a descriptor to send to another process, which calls [`Tree::received`].
/// The tree exists while one of the two processes holds the descriptor.
impl From<Tree> for OwnedFd {
    fn from(tree: Tree) -> Self {
        tree.into_fd()
    }
}
