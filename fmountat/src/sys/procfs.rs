// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The calling thread's own files in /proc, below a verified procfs.
//!
//! A thread can have its own descriptor table (`unshare(CLONE_FILES)`), but `/proc/self` shows that
//! of the first thread, so every name here starts with `thread-self`. No descriptor of /proc is
//! kept: callers fork, close all descriptors, and change their root directory and namespaces, so
//! its number could be another file in the next thread.

use crate::error::{Error, ErrorKind, Operation, Syscall};
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, PROC_SUPER_MAGIC, ResolveFlags, StatxFlags};
use rustix::io::Errno;
use rustix::path::Arg;
use std::ffi::{CStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// `PROC_ROOT_INO`, include/linux/proc_fs.h.
const ROOT_INODE: u64 = 1;

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);

const DESCRIPTORS: &str = "thread-self/fd";

/// The pid namespace of the thread, and of its next child. These are not verified:
/// [`would_be_first`](crate::sys::pid_namespace::would_be_first) reads them before each child, and
/// a wrong answer changes no file.
pub(crate) const PID_NAMESPACE: &str = "/proc/thread-self/ns/pid";
pub(crate) const PID_NAMESPACE_OF_CHILDREN: &str = "/proc/thread-self/ns/pid_for_children";

/// The user namespace of the thread, for stat(2) after [`check`].
pub(crate) const USER_NAMESPACE: &str = "/proc/thread-self/ns/user";

/// A directory to mount on, in a procfs that shows only processes (`subset=pid`).
pub(crate) const NET: &str = "/proc/thread-self/net";

/// The hint for an id that is not mapped in this user namespace.
pub(crate) const SEE_ID_MAPS: &str =
    "use ids that are mapped in this user namespace: /proc/self/uid_map and /proc/self/gid_map list them";

/// The links in a container's /dev and their targets, as runc creates them.
pub(crate) const DEV_LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// Opens /proc (`O_PATH`): the root of a procfs.
///
/// # Errors
/// `ENOENT` where /proc is missing or not a procfs; `EXDEV` where it is a directory of procfs other
/// than its root.
pub fn root() -> Result<OwnedFd, Errno> {
    let root = match rustix::fs::open(c"/proc", DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Err(Errno::NOTDIR) => return Err(Errno::NOENT),
        opened => opened?,
    };
    if rustix::fs::fstatfs(&root)?.f_type != PROC_SUPER_MAGIC {
        return Err(Errno::NOENT);
    }
    if rustix::fs::fstat(&root)?.st_ino == ROOT_INODE { Ok(root) } else { Err(Errno::XDEV) }
}

/// Checks the files that paths below /proc/thread-self/fd pass through: the root of a procfs,
/// without another mount. It opens no descriptor, so that mounts can be detached again even if no
/// more files can be opened.
///
/// # Errors
/// Those of [`open`].
pub fn check() -> Result<(), Errno> {
    if rustix::fs::statfs(c"/proc")?.f_type != PROC_SUPER_MAGIC {
        return Err(Errno::NOENT);
    }
    let look = |name: &CStr, flags| rustix::fs::statx(CWD, name, flags, StatxFlags::INO | StatxFlags::MNT_ID);
    let root = look(c"/proc", AtFlags::empty())?;
    if root.stx_ino != ROOT_INODE {
        return Err(Errno::XDEV);
    }
    let link = look(c"/proc/thread-self", AtFlags::SYMLINK_NOFOLLOW)?;
    let own = look(c"/proc/thread-self/fd", AtFlags::empty())?;
    let is_one_mount = [link, own].iter().all(|one| one.stx_mnt_id == root.stx_mnt_id);
    if is_one_mount { Ok(()) } else { Err(Errno::XDEV) }
}

/// Opens `name` below /proc with openat2(2) \[Linux 5.6\]. Fails with `EXDEV` if the path crosses a
/// mount, and with `ELOOP` at a magic link. If a seccomp filter forbids openat2(2), uses openat(2)
/// without these checks.
///
/// Makes only system calls, so that a vforked child can call it.
///
/// # Errors
/// Those of [`root`]; `ENOENT` also for a procfs of a pid namespace without this process.
pub fn open(name: impl Arg + Copy, flags: OFlags) -> Result<OwnedFd, Errno> {
    let (root, flags) = (root()?, flags | OFlags::CLOEXEC);
    let resolve = ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(&root, name, flags, Mode::empty(), resolve) {
        Err(Errno::NOSYS | Errno::PERM) => rustix::fs::openat(&root, name, flags, Mode::empty()),
        opened => opened,
    }
}

/// Opens the target of the magic link `name` in `directory`, such as `mnt` in `1234/ns`.
pub(crate) fn open_link(directory: &str, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let directory = open(directory, DIRECTORY)?;
    rustix::fs::openat(directory, name, flags | OFlags::CLOEXEC, Mode::empty())
}

/// Opens the file of the descriptor `number` again.
///
/// # Errors
/// Those of [`open`]; `ENOENT` if no descriptor has this number.
pub fn reopen(number: i32, flags: OFlags) -> Result<OwnedFd, Errno> {
    open_link(DESCRIPTORS, &number.to_string(), flags)
}

/// Opens the file of a namespace of the thread.
pub(crate) fn namespace(name: &str) -> Result<OwnedFd, Errno> {
    open_link("thread-self/ns", name, OFlags::RDONLY)
}

/// Opens the file of the thread's mount namespace below an open /proc, for a thread whose root
/// directory has none.
pub(crate) fn mount_namespace_below(proc: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(proc, c"thread-self/ns/mnt", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

/// Opens the directory of the thread's descriptors (`O_PATH`), relative to which a descriptor's
/// number is a path.
pub(crate) fn descriptors() -> Result<OwnedFd, Errno> {
    open(DESCRIPTORS, DIRECTORY)
}

/// Returns the number of open descriptors.
pub(crate) fn count_descriptors() -> Result<usize, Errno> {
    let names = Dir::new(open(DESCRIPTORS, OFlags::RDONLY | OFlags::DIRECTORY)?)?;
    let numbers = names.flatten().filter(|entry| entry.file_name().to_bytes()[0].is_ascii_digit());
    // One of them is the descriptor of this directory.
    Ok(numbers.count().saturating_sub(1))
}

/// Returns `/proc/thread-self/fd/N`, for system calls that take only a path. It leads to the file
/// of the descriptor, whatever is mounted over it. Threads and children that share the calling
/// thread's descriptors can use it.
///
/// # Errors
/// Those of [`check`].
pub fn descriptor_name(fd: BorrowedFd<'_>) -> Result<PathBuf, Errno> {
    check()?;
    Ok(format!("/proc/{DESCRIPTORS}/{}", fd.as_raw_fd()).into())
}

/// Returns the path of the descriptor's file, as readlink(2) returns it.
pub(crate) fn path_of(fd: BorrowedFd<'_>) -> Result<PathBuf, Errno> {
    Paths::new()?.of(fd)
}

/// A /proc that was checked once, for the paths of many descriptors.
#[derive(Debug)]
pub(crate) struct Paths(());

impl Paths {
    /// Checks /proc.
    ///
    /// # Errors
    /// Those of [`check`].
    pub(crate) fn new() -> Result<Self, Errno> {
        check().map(Self)
    }

    /// Returns the path of the descriptor's file, as readlink(2) returns it.
    pub(crate) fn of(&self, fd: BorrowedFd<'_>) -> Result<PathBuf, Errno> {
        let name = format!("/proc/{DESCRIPTORS}/{}", fd.as_raw_fd());
        let path = rustix::fs::readlink(name, Vec::new())?;
        Ok(OsString::from_vec(path.into_bytes()).into())
    }
}

/// Returns the path of the running program, for execve(2).
///
/// # Errors
/// Those of [`open`].
pub fn program() -> Result<PathBuf, Errno> {
    check().map(|()| "/proc/thread-self/exe".into())
}

/// Reads a file of /proc.
pub(crate) fn read(name: &str) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    let read = File::from(open(name, OFlags::RDONLY)?).read_to_end(&mut bytes);
    read.map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?;
    Ok(bytes)
}

/// Reads a file of /proc as text.
///
/// # Errors
/// Those of [`open`] and read(2).
pub fn text(name: &str) -> Result<String, Errno> {
    read(name).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the error for a failure to open `name` below /proc. Without a verified /proc its kind is
/// [`ErrorKind::Unsupported`], with a hint.
#[must_use]
pub fn failed(operation: Operation, name: &str, errno: Errno) -> Error {
    let error = Error::sys(operation, Syscall::Openat, errno);
    let reason = match errno {
        Errno::NOENT if check().is_err() => {
            "procfs is not mounted on /proc, or it belongs to a pid namespace without this process"
        }
        Errno::XDEV => "/proc is not the root of a procfs, or another mount covers a part of it",
        _ => return error.with_argument(format!("/proc/{name}")),
    };
    error
        .with_argument("/proc")
        .with_kind(ErrorKind::Unsupported)
        .with_reason(reason)
        .with_hint("run `mount -t proc proc /proc`")
}

/// Runs [`check`] before a change that later needs a verified /proc.
pub(crate) fn need(operation: Operation) -> Result<(), Error> {
    check().map_err(|errno| failed(operation, DESCRIPTORS, errno))
}

/// Returns [`descriptor_name`], or an error for `operation`.
pub(crate) fn name_for(operation: Operation, fd: BorrowedFd<'_>) -> Result<PathBuf, Error> {
    descriptor_name(fd).map_err(|errno| failed(operation, DESCRIPTORS, errno))
}

/// Returns [`path_of`], or an error for `operation`.
pub(crate) fn path_for(operation: Operation, fd: BorrowedFd<'_>) -> Result<PathBuf, Error> {
    path_of(fd).map_err(|errno| failed(operation, DESCRIPTORS, errno))
}
