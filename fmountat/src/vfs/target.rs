// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mount points as descriptors: found once, below a root where one is given, and then mounted on as found.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::vfs::bytes::c_string;
use crate::vfs::create::Create;
use crate::vfs::created_dirs::CreatedDirs;
use crate::vfs::identity::{is_dir, is_same_file, is_same_place};
use crate::vfs::new_directory;
use crate::vfs::new_directory::Failure;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// openat2 answers EAGAIN when a rename anywhere on the system raced with a `..`; an attacker can keep that up.
const RETRIES: usize = 128;

/// A place to mount on, as an `O_PATH` descriptor.
///
/// ```no_run
/// let root = fmountat::Target::open(fmountat::CWD, "/srv/rootfs")?;
/// // `etc` may be a link to `/`: it is taken inside /srv/rootfs all the same.
/// let hosts = fmountat::Target::in_root(&root, "etc/hosts")?;
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug)]
pub struct Target {
    fd: OwnedFd,
    path: PathBuf,
    start: Start,
    is_dir: bool,
    made: CreatedDirs,
}

/// Where a target's path starts, and how it is walked: what it takes to look at the place again.
#[derive(Debug)]
enum Start {
    /// The process's cwd.
    Cwd,
    Dir(OwnedFd),
    /// A root that the path can't leave.
    Root(OwnedFd),
}

impl Start {
    fn dir(dir: BorrowedFd<'_>, path: &Path) -> Result<Self> {
        if dir.as_raw_fd() == CWD.as_raw_fd() { Ok(Self::Cwd) } else { Ok(Self::Dir(duplicate(dir, path)?)) }
    }

    fn try_clone(&self, path: &Path) -> Result<Self> {
        let copy = |fd: &OwnedFd| duplicate(fd.as_fd(), path);
        Ok(match self {
            Self::Cwd => Self::Cwd,
            Self::Dir(dir) => Self::Dir(copy(dir)?),
            Self::Root(root) => Self::Root(copy(root)?),
        })
    }

    fn open(&self, path: &Path) -> Result<OwnedFd> {
        match self {
            Self::Cwd => open_anywhere(CWD, path),
            Self::Dir(dir) => open_anywhere(dir.as_fd(), path),
            Self::Root(root) => open_in_root(root.as_fd(), path),
        }
    }
}

impl Target {
    /// Opens `path`, starting at `dir`, as any path is opened: symbolic links are followed to wherever they lead.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::NotADirectory`], [`ErrorKind::TooLong`] (over 4,095 bytes, or a
    /// component over 255), [`ErrorKind::Permission`].
    pub fn open(dir: impl AsFd, path: impl AsRef<Path>) -> Result<Self> {
        Self::at(Start::dir(dir.as_fd(), path.as_ref())?, path.as_ref())
    }

    /// Opens `path` **inside** `root`: absolute paths, absolute symbolic links and `..` start and stop there, and
    /// links of /proc are refused. `openat2(RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS)` \[Linux 5.6\].
    ///
    /// # Errors
    /// Those of [`open`](Self::open); [`ErrorKind::Unsupported`] where a seccomp filter forbids openat2(2);
    /// [`ErrorKind::TargetMoved`] when a directory on the way is moved out of the root
    /// meanwhile; [`ErrorKind::Busy`] when others rename so fast that the path can't be resolved.
    pub fn in_root(root: impl AsFd, path: impl AsRef<Path>) -> Result<Self> {
        Self::at(Start::Root(duplicate(root.as_fd(), path.as_ref())?), path.as_ref())
    }

    /// As [`in_root`](Self::in_root), and makes what is missing: each parent with mkdirat(2), never outside the root.
    /// Directories that were made go with the target, by rmdir(2), unless something was mounted on it or it is to
    /// [`keep`](Self::keep) them. A file that was made stays.
    ///
    /// # Errors
    /// Those of [`in_root`](Self::in_root) and of mkdirat(2) and openat(2); [`ErrorKind::TargetMoved`] if somebody moved or replaced
    /// what was made.
    pub fn create_in_root(root: impl AsFd, path: impl AsRef<Path>, create: Create) -> Result<Self> {
        Self::create_at(Start::Root(duplicate(root.as_fd(), path.as_ref())?), path.as_ref(), create)
    }

    /// As [`open`](Self::open), and makes what is missing, each parent with mkdirat(2). What was made goes as in
    /// [`create_in_root`](Self::create_in_root).
    ///
    /// # Errors
    /// Those of [`open`](Self::open) and of mkdirat(2) and openat(2).
    pub fn create(dir: impl AsFd, path: impl AsRef<Path>, create: Create) -> Result<Self> {
        Self::create_at(Start::dir(dir.as_fd(), path.as_ref())?, path.as_ref(), create)
    }

    fn at(start: Start, path: &Path) -> Result<Self> {
        let fd = start.open(path)?;
        Self::from_fd(fd, start, path)
    }

    fn create_at(start: Start, path: &Path, create: Create) -> Result<Self> {
        match start.open(path) {
            Err(error) if error.raw_errno() == Some(Errno::NOENT) => {}
            other => return Self::from_fd(other?, start, path),
        }
        // From below, for mostly the last component alone is missing.
        let mut missing = vec![path];
        let mut parent = loop {
            let up = missing.last().and_then(|path| path.parent()).unwrap_or(Path::new(""));
            let up = if up.as_os_str().is_empty() { Path::new(".") } else { up };
            match start.open(up) {
                Err(error) if error.raw_errno() == Some(Errno::NOENT) && up != Path::new(".") => {
                    missing.push(up)
                }
                opened => break opened?,
            }
        };
        let made = CreatedDirs::default();
        while let Some(walked) = missing.pop() {
            let new = match walked.file_name() {
                Some(name) if missing.is_empty() && create.is_file => {
                    make_file(&parent, name, create, walked)?
                }
                Some(name) => make_directory(parent, name, create, walked, &made)?,
                // `..` at the end has no name, and is there once what it follows is.
                None => None,
            };
            // By its descriptor: a link that was put in the place of what was made leads nowhere.
            parent = new.map_or_else(|| start.open(walked), Ok)?;
        }
        Ok(Self { made, ..Self::from_fd(parent, start, path)? })
    }

    fn from_fd(fd: OwnedFd, start: Start, path: &Path) -> Result<Self> {
        let is_dir = is_dir(fd.as_fd())?;
        Ok(Self { fd, path: path.to_owned(), start, is_dir, made: CreatedDirs::default() })
    }

    /// The place that its path leads to now, walked as the first time: where something was mounted meanwhile, its root.
    ///
    /// # Errors
    /// As the first time.
    pub fn reopen(&self) -> Result<Self> {
        Self::at(self.start.try_clone(&self.path)?, &self.path)
    }

    /// What is seen at its path now, which is walked again as it was the first time.
    pub(crate) fn seen_now(&self) -> Result<OwnedFd> {
        self.start.open(&self.path)
    }

    /// Where its path starts, and whether it must not leave that.
    pub(crate) fn start(&self) -> (BorrowedFd<'_>, bool) {
        match &self.start {
            Start::Cwd => (CWD, false),
            Start::Dir(dir) => (dir.as_fd(), false),
            Start::Root(root) => (root.as_fd(), true),
        }
    }

    /// Whether it was looked up inside a root, which it must not leave.
    pub(crate) fn is_in_root(&self) -> bool {
        matches!(self.start, Start::Root(_))
    }

    /// Whether it is that root itself, which a path in it shows without what is mounted over it.
    pub(crate) fn is_the_root(&self) -> Result<bool> {
        match &self.start {
            Start::Root(root) => is_same_place(root.as_fd(), self.as_fd()),
            _ => Ok(false),
        }
    }

    /// Refuses a target whose path inside `root` leads over a symbolic link: openat2(`RESOLVE_NO_SYMLINKS`).
    pub(crate) fn need_no_link(&self, root: BorrowedFd<'_>) -> Result<()> {
        match resolve_in_root(root, &self.path, ResolveFlags::NO_SYMLINKS) {
            Ok(plain) if is_same_place(plain.as_fd(), self.as_fd())? => Ok(()),
            Ok(_) => Err(moved(&self.path)),
            Err(error) if error.raw_errno() == Some(Errno::LOOP) => Err(link_on_the_way(&self.path)),
            Err(error) => Err(error),
        }
    }

    /// What was made for it stays.
    pub fn keep(&self) {
        self.made.keep();
    }

    /// What was made for it, which goes with the target.
    pub(crate) fn made(&self) -> &CreatedDirs {
        &self.made
    }

    /// The same place as it is seen through another descriptor.
    pub(crate) fn again(&self, fd: OwnedFd) -> Result<Self> {
        Self::from_fd(fd, Start::Cwd, &self.path)
    }

    /// The path it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.is_dir
    }
}

impl AsFd for Target {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Opens with `O_PATH` as any path is opened.
fn open_anywhere(dir: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd> {
    let c_path = c_string(Operation::ReadTarget, path)?;
    rustix::fs::openat(dir, &*c_path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|e| open_error(Operation::OpenTarget, Syscall::Openat, path, e))
}

fn duplicate(fd: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd> {
    rustix::io::fcntl_dupfd_cloexec(fd, 0)
        .map_err(|e| Error::sys(Operation::OpenTarget, Syscall::Fcntl, e).with_argument(path))
}

/// Opens with `O_PATH` inside `root`; an empty path and `/` are the root itself.
pub(crate) fn open_in_root(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd> {
    resolve_in_root(root, path, ResolveFlags::empty())
}

fn resolve_in_root(root: BorrowedFd<'_>, path: &Path, more: ResolveFlags) -> Result<OwnedFd> {
    let inside = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let c_path = c_string(Operation::ReadTarget, inside)?;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | more;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    for _ in 0..RETRIES {
        match rustix::fs::openat2(root, &*c_path, flags, Mode::empty(), resolve) {
            Ok(fd) => return Ok(fd),
            Err(Errno::AGAIN | Errno::INTR) => {}
            // EPERM is a filter's answer: the kernel has none for this call.
            Err(errno @ (Errno::NOSYS | Errno::PERM)) => {
                let error = Error::sys(Operation::ResolveTarget, Syscall::Openat2, errno).with_argument(path);
                return Err(error
                    .with_kind(ErrorKind::Unsupported)
                    .with_reason(
                        "a seccomp filter forbids openat2(2), which is required to keep targets inside the \
                         root",
                    )
                    .with_hint("allow openat2 in the container's seccomp profile"));
            }
            // `complete_walk`, fs/namei.c: what was found is no longer below the root.
            Err(Errno::XDEV) => {
                return Err(Error::sys(Operation::ResolveTarget, Syscall::Openat2, Errno::XDEV)
                    .with_argument(path)
                    .with_kind(ErrorKind::TargetMoved)
                    .with_reason("a directory in the path was moved out of the root at the same time"));
            }
            Err(errno) => return Err(open_error(Operation::ResolveTarget, Syscall::Openat2, path, errno)),
        }
    }
    let error = Error::sys(Operation::ResolveTarget, Syscall::Openat2, Errno::AGAIN).with_argument(path);
    Err(error
        .with_kind(ErrorKind::Busy)
        .with_reason("directories in the path are being renamed all the time"))
}

pub(crate) fn link_on_the_way(path: &Path) -> Error {
    let reason =
        "a component of the path is a symbolic link, and proc and sysfs must be mounted on a plain directory";
    Error::new(ErrorKind::WrongTargetType, Operation::ResolveTarget, reason)
        .with_argument(path)
        .with_hint("make the target a directory in the root: with a link, its owner could redirect the mount")
}

/// Who may rename in the root has changed the way to the target since it was found.
fn moved(path: &Path) -> Error {
    let reason = "the target was moved at the same time";
    Error::new(ErrorKind::TargetMoved, Operation::ResolveTarget, reason).with_argument(path)
}

/// An error of opening a path, with the limits named where one was passed.
pub(crate) fn open_error(operation: Operation, call: Syscall, path: &Path, errno: Errno) -> Error {
    let error = Error::sys(operation, call, errno).with_argument(path);
    if errno != Errno::NAMETOOLONG {
        return error;
    }
    let bytes = path.as_os_str().len();
    let longest = path.iter().map(OsStr::len).max().unwrap_or(0);
    error.with_reason(if longest > 255 {
        format!("a component of the path is {longest} bytes long; the file system accepts at most 255")
    } else {
        format!("the path is {bytes} bytes long; the kernel accepts at most 4095")
    })
}

/// Makes a directory, and returns its descriptor; none if the name is taken.
fn make_directory(
    parent: OwnedFd,
    name: &OsStr,
    create: Create,
    walked: &Path,
    made: &CreatedDirs,
) -> Result<Option<OwnedFd>> {
    let mode = Mode::from_raw_mode(create.mode);
    if create.owner.is_none() {
        return match rustix::fs::mkdirat(&parent, name, mode) {
            Ok(()) => {
                let new = open_made(&parent, name, OFlags::DIRECTORY, walked);
                made.add(parent, name);
                new.map(Some)
            }
            Err(Errno::EXIST) => Ok(None),
            Err(errno) => Err(make_error(Syscall::Mkdirat, errno, walked)),
        };
    }
    match new_directory::make(parent.as_fd(), name, mode) {
        Ok(new) => {
            made.add(parent, name);
            create.give(new.as_fd(), walked)?;
            Ok(Some(new))
        }
        Err(Failure::Call(_, Errno::EXIST)) => Ok(None),
        Err(Failure::Call(call, errno)) => Err(make_error(call, errno, walked)),
        Err(Failure::Replaced) => Err(replaced(walked)),
    }
}

/// Makes a file, and returns its descriptor; none if the name is taken.
fn make_file(parent: &OwnedFd, name: &OsStr, create: Create, walked: &Path) -> Result<Option<OwnedFd>> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    match rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o644)) {
        Ok(made) => {
            create.give(made.as_fd(), walked)?;
            // The one that can be written would keep the file system busy.
            let new = open_made(parent, name, OFlags::empty(), walked)?;
            if is_same_file(made.as_fd(), new.as_fd())? { Ok(Some(new)) } else { Err(replaced(walked)) }
        }
        Err(Errno::EXIST) => Ok(None),
        Err(errno) => Err(make_error(Syscall::Openat, errno, walked)),
    }
}

/// Opens what was made with `O_PATH`, by no link.
fn open_made(parent: &OwnedFd, name: &OsStr, flags: OFlags, walked: &Path) -> Result<OwnedFd> {
    let flags = flags | OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty()).map_err(|errno| match errno {
        Errno::NOENT | Errno::NOTDIR => replaced(walked),
        _ => make_error(Syscall::Openat, errno, walked),
    })
}

/// What was made is not found by its name.
fn replaced(walked: &Path) -> Error {
    Error::new(
        ErrorKind::TargetMoved,
        Operation::MakeMountPoint,
        "the new mount point was moved or replaced at the same time",
    )
    .with_argument(walked)
    .with_hint(
        "try again, or create the mount point beforehand: another process renamed files in that directory",
    )
}

/// A mount point that could not be made.
pub(crate) fn make_error(call: Syscall, errno: Errno, walked: &Path) -> Error {
    let error = Error::sys(Operation::MakeMountPoint, call, errno).with_argument(walked);
    match errno {
        Errno::ACCESS | Errno::OVERFLOW => error.with_hint(
            "create the mount point beforehand, or change the owner of the layers to the current user: the \
             parent directory may belong to a user that is not mapped in this user namespace",
        ),
        Errno::ROFS => error.with_hint("create the mount point beforehand: its file system is read-only"),
        _ => error,
    }
}
