// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The calling thread's own files in /proc, below a /proc that was seen to be procfs.
//!
//! A thread can have its own descriptor table (`unshare(CLONE_FILES)`), and `/proc/self` shows the table of the first thread: every
//! name here starts with `thread-self`. No descriptor is kept. Callers fork, close all descriptors, and change root directory and
//! namespaces, and the kept number can be another file in the next thread.

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

/// The pid namespace of the thread, and of its next child. [`would_be_first`](crate::sys::pid_namespace::would_be_first) asks for
/// them before each child, and a false answer changes no file: they are not verified.
pub(crate) const PID_NAMESPACE: &str = "/proc/thread-self/ns/pid";
pub(crate) const PID_NAMESPACE_OF_CHILDREN: &str = "/proc/thread-self/ns/pid_for_children";

/// The user namespace of the thread, for stat(2) after [`check`].
pub(crate) const USER_NAMESPACE: &str = "/proc/thread-self/ns/user";

/// A directory to mount on, in a proc that shows processes only (`subset=pid`).
pub(crate) const NET: &str = "/proc/thread-self/net";

/// The hint for an id that is not mapped in this user namespace.
pub(crate) const SEE_ID_MAPS: &str =
    "use ids that are mapped in this user namespace: /proc/self/uid_map and /proc/self/gid_map list them";

/// The links in /dev of a container, and what they lead to: those that runc makes.
pub(crate) const DEV_LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// Opens /proc (`O_PATH`): the root of procfs.
///
/// # Errors
/// `ENOENT` where /proc is missing or not procfs; `EXDEV` where it is another directory of procfs than its root.
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

/// Checks what paths below /proc/thread-self/fd go through: the root of procfs, and no other mount. It needs no descriptor: what is
/// mounted is also taken back where no more files can be opened.
///
/// # Errors
/// As [`open`].
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

/// Opens `name` below /proc. A mount on the way is `EXDEV`, a magic link `ELOOP`: `openat2(2)` \[Linux 5.6\]. A seccomp filter
/// that forbids the call leaves openat(2).
///
/// Makes system calls only, so that a vforked child can call it.
///
/// # Errors
/// Those of [`root`]; `ENOENT` also for a proc of a pid namespace without this process.
pub fn open(name: impl Arg + Copy, flags: OFlags) -> Result<OwnedFd, Errno> {
    let (root, flags) = (root()?, flags | OFlags::CLOEXEC);
    let resolve = ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(&root, name, flags, Mode::empty(), resolve) {
        Err(Errno::NOSYS | Errno::PERM) => rustix::fs::openat(&root, name, flags, Mode::empty()),
        opened => opened,
    }
}

/// Opens what the magic link `name` in the directory leads to: `1234/ns` and `mnt`.
pub(crate) fn open_link(directory: &str, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let directory = open(directory, DIRECTORY)?;
    rustix::fs::openat(directory, name, flags | OFlags::CLOEXEC, Mode::empty())
}

/// Opens the file of a namespace that the thread is in.
pub(crate) fn namespace(name: &str) -> Result<OwnedFd, Errno> {
    open_link("thread-self/ns", name, OFlags::RDONLY)
}

/// Opens the directory of the thread's descriptors (`O_PATH`): from there a number is a path.
pub(crate) fn descriptors() -> Result<OwnedFd, Errno> {
    open(DESCRIPTORS, DIRECTORY)
}

/// The number of open descriptors.
pub(crate) fn count_descriptors() -> Result<usize, Errno> {
    let names = Dir::new(open(DESCRIPTORS, OFlags::RDONLY | OFlags::DIRECTORY)?)?;
    let numbers = names.flatten().filter(|entry| entry.file_name().to_bytes()[0].is_ascii_digit());
    // One of them was the listing's own.
    Ok(numbers.count().saturating_sub(1))
}

/// `/proc/thread-self/fd/N`, for a system call that takes only a path: the file that the descriptor is on, whatever is mounted over
/// it. The name serves threads and children that share the calling thread's descriptors.
pub(crate) fn descriptor_name(fd: BorrowedFd<'_>) -> Result<PathBuf, Errno> {
    check()?;
    Ok(format!("/proc/{DESCRIPTORS}/{}", fd.as_raw_fd()).into())
}

/// The path of the file that the descriptor is on, as the kernel names it.
pub(crate) fn path_of(fd: BorrowedFd<'_>) -> Result<PathBuf, Errno> {
    let path = rustix::fs::readlink(descriptor_name(fd)?, Vec::new())?;
    Ok(OsString::from_vec(path.into_bytes()).into())
}

/// The running program, as a path for execve(2).
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

/// The failure to open `name` below /proc: without a true /proc it is of the kind [`ErrorKind::Unsupported`], with what to do.
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

/// [`check`], with the failure in words: asked before a change that needs a true /proc later.
pub(crate) fn need(operation: Operation) -> Result<(), Error> {
    check().map_err(|errno| failed(operation, DESCRIPTORS, errno))
}

/// [`descriptor_name`], with the failure in words.
pub(crate) fn name_for(operation: Operation, fd: BorrowedFd<'_>) -> Result<PathBuf, Error> {
    descriptor_name(fd).map_err(|errno| failed(operation, DESCRIPTORS, errno))
}

/// [`path_of`], with the failure in words.
pub(crate) fn path_for(operation: Operation, fd: BorrowedFd<'_>) -> Result<PathBuf, Error> {
    path_of(fd).map_err(|errno| failed(operation, DESCRIPTORS, errno))
}
