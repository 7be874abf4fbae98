// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mount points as descriptors, looked up once, inside a root if one is given.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::mountinfo::id::{MountId, stat_mount};
use crate::vfs::bytes::c_string;
use crate::vfs::create::Create;
use crate::vfs::created_dirs::CreatedDirs;
use crate::vfs::dangling;
use crate::vfs::identity::is_same_place;
use crate::vfs::make_target::{make_directory, make_file};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, StatxAttributes};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// How often openat2(2) is called again. It returns EAGAIN when a rename anywhere on the system
/// raced with a `..`, and an attacker can repeat that.
const RETRIES: usize = 128;

/// A mount point, as an `O_PATH` descriptor.
///
/// ```no_run
/// let root = fmountat::Target::open(fmountat::CWD, "/srv/rootfs")?;
/// // `etc` may be a link to `/`: it is resolved inside /srv/rootfs.
/// let hosts = fmountat::Target::in_root(&root, "etc/hosts")?;
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug)]
pub struct Target {
    fd: OwnedFd,
    path: PathBuf,
    start: Start,
    is_dir: bool,
    /// The mount that it is the root of, if it is one.
    mount: Option<MountId>,
    made: CreatedDirs,
}

/// Where the path of a target starts and how it is resolved, so that it can be resolved again.
#[derive(Debug)]
enum Start {
    /// The current directory of the process.
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
    /// Opens `path` relative to `dir` as open(2) does: symbolic links are followed wherever they
    /// lead.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::NotADirectory`], [`ErrorKind::TooLong`] (over 4,095
    /// bytes, or a component over 255), [`ErrorKind::Permission`].
    pub fn open(dir: impl AsFd, path: impl AsRef<Path>) -> Result<Self> {
        Self::at(Start::dir(dir.as_fd(), path.as_ref())?, path.as_ref())
    }

    /// Opens `path` **inside** `root`. Absolute paths, absolute symbolic links and `..` are
    /// resolved relative to it, and magic links of /proc are refused:
    /// `openat2(RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS)` \[Linux 5.6\].
    ///
    /// # Errors
    /// Those of [`open`](Self::open); [`ErrorKind::Unsupported`] where a seccomp filter forbids
    /// openat2(2); [`ErrorKind::TargetMoved`] when a directory of the path is moved out of the root
    /// meanwhile; [`ErrorKind::Busy`] when others rename so fast that the path can't be resolved.
    pub fn in_root(root: impl AsFd, path: impl AsRef<Path>) -> Result<Self> {
        Self::at(Start::Root(duplicate(root.as_fd(), path.as_ref())?), path.as_ref())
    }

    /// Opens `path` as [`in_root`](Self::in_root) does and creates what is missing: each parent
    /// with mkdirat(2), never outside the root. Dropping the target removes the created directories
    /// with rmdir(2), unless something was mounted on it or [`keep`](Self::keep) was called. A
    /// created file is never removed.
    ///
    /// # Errors
    /// Those of [`in_root`](Self::in_root) and of mkdirat(2) and openat(2);
    /// [`ErrorKind::TargetMoved`] if somebody moved or replaced what was created.
    pub fn create_in_root(root: impl AsFd, path: impl AsRef<Path>, create: Create) -> Result<Self> {
        Self::create_at(Start::Root(duplicate(root.as_fd(), path.as_ref())?), path.as_ref(), create)
    }

    /// Opens `path` as [`open`](Self::open) does and creates what is missing, each parent with
    /// mkdirat(2). Created directories are removed as in [`create_in_root`](Self::create_in_root).
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
        let plain = match &start {
            Start::Root(_) => dangling::follow(|path| start.open(path), path)?,
            Start::Cwd | Start::Dir(_) => path.to_owned(),
        };
        // From the end of the path, because mostly only the last component is missing.
        let mut missing = vec![plain.as_path()];
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
                // A `..` at the end has no name; it exists once the directory before it does.
                None => None,
            };
            // Use the descriptor: a link put in the place of the new directory is not followed.
            parent = new.map_or_else(|| start.open(walked), Ok)?;
        }
        Ok(Self { made, ..Self::from_fd(parent, start, path)? })
    }

    fn from_fd(fd: OwnedFd, start: Start, path: &Path) -> Result<Self> {
        let seen = stat_mount(fd.as_fd())?;
        let is_dir = FileType::from_raw_mode(seen.stx_mode.into()).is_dir();
        let is_root = seen.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
        let mount = is_root.then(|| MountId::from_number(seen.stx_mnt_id));
        Ok(Self { fd, path: path.to_owned(), start, is_dir, mount, made: CreatedDirs::default() })
    }

    /// Resolves the path again in the same manner. If something was mounted there meanwhile, the
    /// result is the root of that mount.
    ///
    /// # Errors
    /// Those of the function that opened the target.
    pub fn reopen(&self) -> Result<Self> {
        Self::at(self.start.try_clone(&self.path)?, &self.path)
    }

    /// Resolves the path again and returns the descriptor.
    pub(crate) fn seen_now(&self) -> Result<OwnedFd> {
        self.start.open(&self.path)
    }

    /// Returns the directory that the path starts at, and whether the path must not leave it.
    pub(crate) fn start(&self) -> (BorrowedFd<'_>, bool) {
        match &self.start {
            Start::Cwd => (CWD, false),
            Start::Dir(dir) => (dir.as_fd(), false),
            Start::Root(root) => (root.as_fd(), true),
        }
    }

    /// Reports whether the target was looked up inside a root.
    pub(crate) fn is_in_root(&self) -> bool {
        matches!(self.start, Start::Root(_))
    }

    /// Reports whether the target is that root itself. A path inside the root shows it without the
    /// mounts on top of it.
    pub(crate) fn is_the_root(&self) -> Result<bool> {
        match &self.start {
            Start::Root(root) => is_same_place(root.as_fd(), self.as_fd()),
            _ => Ok(false),
        }
    }

    /// Refuses a target whose path inside `root` has a symbolic link:
    /// `openat2(RESOLVE_NO_SYMLINKS)`.
    pub(crate) fn need_no_link(&self, root: BorrowedFd<'_>) -> Result<()> {
        match resolve_in_root(root, &self.path, ResolveFlags::NO_SYMLINKS) {
            Ok(plain) if is_same_place(plain.as_fd(), self.as_fd())? => Ok(()),
            Ok(_) => Err(moved(&self.path)),
            Err(error) if error.raw_errno() == Some(Errno::LOOP) => Err(link_in_path(&self.path)),
            Err(error) => Err(error),
        }
    }

    /// Keeps the directories that were created for the target: dropping it does not remove them.
    pub fn keep(&self) {
        self.made.keep();
    }

    /// Returns the directories that were created for the target.
    pub(crate) fn made(&self) -> &CreatedDirs {
        &self.made
    }

    /// Returns the target seen through another descriptor, with the same path.
    pub(crate) fn again(&self, fd: OwnedFd) -> Result<Self> {
        Self::from_fd(fd, Start::Cwd, &self.path)
    }

    /// Returns the path that it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the mount that it is the root of, if it is one.
    pub(crate) fn mount(&self) -> Option<MountId> {
        self.mount
    }

    /// Reports whether it is a directory.
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

/// Opens `path` with `O_PATH`, following symbolic links wherever they lead.
fn open_anywhere(dir: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd> {
    let c_path = c_string(Operation::ReadTarget, path)?;
    rustix::fs::openat(dir, &*c_path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|e| open_error(Operation::OpenTarget, Syscall::Openat, path, e))
}

fn duplicate(fd: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd> {
    rustix::io::fcntl_dupfd_cloexec(fd, 0)
        .map_err(|e| Error::sys(Operation::OpenTarget, Syscall::Fcntl, e).with_argument(path))
}

/// Opens `path` inside `root` with `O_PATH`. An empty path and `/` are the root itself.
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
            // A filter returns EPERM; the kernel never does for this call.
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
            // `complete_walk`, fs/namei.c: the resolved file is no longer below the root.
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

pub(crate) fn link_in_path(path: &Path) -> Error {
    let reason =
        "a component of the path is a symbolic link, and proc and sysfs must be mounted on a plain directory";
    Error::new(ErrorKind::WrongTargetType, Operation::ResolveTarget, reason)
        .with_argument(path)
        .with_hint("make the target a directory in the root: with a link, its owner could redirect the mount")
}

/// Returns the error for a target whose path was changed inside the root after it was opened.
fn moved(path: &Path) -> Error {
    let reason = "the target was moved at the same time";
    Error::new(ErrorKind::TargetMoved, Operation::ResolveTarget, reason).with_argument(path)
}

/// Returns the error for a path that can't be opened, and names the limit that it exceeds.
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
