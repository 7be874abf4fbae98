// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Id-mapped mounts, and the user namespaces that carry the mappings.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::sys::attr::{MountAttrRaw, open_tree_attr};
use crate::sys::procfs;
use crate::sys::userns::{Parked, page_size, user_namespace_of};
use crate::trace;
use crate::vfs::attr::{MOUNT_ATTR_IDMAP, MountAttr, set_raw};
use crate::vfs::bytes::c_string;
use crate::vfs::context::FsContext;
use crate::vfs::features::Features;
use crate::vfs::tree::{Tree, clone_flags};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The names of operations in events.
const OPEN_USER_NAMESPACE: &str = "open a user namespace";
const MAP_OWNERS: &str = "map the owners of a mount";

/// A range of ids: `count` ids starting at `inner` in the file system appear through the mount as
/// ids starting at `outer`.
///
/// It is a line of a user namespace's `uid_map`. OCI calls the three numbers `containerID`,
/// `hostID` and `size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdMapping {
    /// The first id in the file system.
    pub inner: u32,
    /// The first id as seen through the mount.
    pub outer: u32,
    /// The number of ids.
    pub count: u32,
}

impl IdMapping {
    /// Returns a range of `count` ids.
    #[must_use]
    pub fn new(inner: u32, outer: u32, count: u32) -> Self {
        Self { inner, outer, count }
    }
}

/// User ids or group ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ids {
    /// User ids.
    User,
    /// Group ids.
    Group,
}

/// The id mapping of a mount.
///
/// ```
/// use fmountat::idmap::{IdMapping, Idmap};
/// let shifted = vec![IdMapping { inner: 0, outer: 100_000, count: 65_536 }];
/// let idmap = Idmap::Ranges { users: shifted.clone(), groups: shifted };
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Idmap {
    /// By ranges. An empty list does not change those ids.
    Ranges {
        /// User ids.
        users: Vec<IdMapping>,
        /// Group ids.
        groups: Vec<IdMapping>,
    },
    /// By an existing user namespace: `/proc/PID/ns/user`.
    Namespace(PathBuf),
}

/// The kernel's limit: `UID_GID_MAP_MAX_EXTENTS`, include/linux/user_namespace.h. The text of the
/// map must be shorter than a page: `map_write`, kernel/user_namespace.c.
const RANGES_MAX: usize = 340;

/// The number of user namespaces that are kept open.
const KEPT: usize = 16;

impl Idmap {
    /// Checks what needs no system call: the number of ranges, overflows, and overlaps.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Ranges { users, groups } => {
                check_ranges(Operation::ReadUidMapping, users)?;
                check_ranges(Operation::ReadGidMapping, groups)
            }
            Self::Namespace(path) => c_string(Operation::ReadIdmapNamespace, path).map(drop),
        }
    }
}

fn check_ranges(operation: Operation, ranges: &[IdMapping]) -> Result<()> {
    let bad = |range: &IdMapping, reason: &str| {
        let text = format!("{}:{}:{}", range.inner, range.outer, range.count);
        Err(Error::new(ErrorKind::OptionValue, operation, reason).with_argument(text))
    };
    if ranges.len() > RANGES_MAX {
        let reason =
            format!("the mapping has {} ranges; the kernel accepts at most {RANGES_MAX}", ranges.len());
        return Err(Error::new(ErrorKind::OptionValue, operation, reason));
    }
    let (bytes, page) = (map_text(ranges).len(), page_size());
    if bytes >= page {
        let reason =
            format!("the mapping's text is {bytes} bytes long; the kernel accepts at most {}", page - 1);
        let error = Error::new(ErrorKind::OptionValue, operation, reason);
        return Err(error.with_hint("use fewer ranges: merge adjacent ones"));
    }
    for (at, range) in ranges.iter().enumerate() {
        // The last id (`-1`) is not a valid id.
        let fits = |first: u32| first.checked_add(range.count).is_some();
        if range.count == 0 {
            return bad(range, "the count must not be 0");
        }
        if !fits(range.inner) || !fits(range.outer) {
            return bad(range, "the range exceeds the last id, 4294967294");
        }
        let overlaps = |a: u32, b: u32, other: &IdMapping| a < b + other.count && b < a + range.count;
        let twice = |other: &&IdMapping| {
            overlaps(range.inner, other.inner, other) || overlaps(range.outer, other.outer, other)
        };
        if ranges[..at].iter().any(|other| twice(&other)) {
            return bad(range, "overlaps an earlier range");
        }
    }
    Ok(())
}

/// User namespaces that were made for mappings, kept open for reuse.
#[derive(Debug, Default)]
pub(crate) struct UserNamespaces {
    kept: Mutex<Vec<(Idmap, Arc<OwnedFd>)>>,
}

impl UserNamespaces {
    /// Returns the user namespace of the mapping. A relative path starts at `dir`.
    pub(crate) fn get(&self, dir: BorrowedFd<'_>, idmap: &Idmap) -> Result<Arc<OwnedFd>> {
        let (users, groups) = match idmap {
            // The path may lead to another namespace by now: open it each time.
            Idmap::Namespace(path) => return open_namespace(dir, path).map(Arc::new),
            Idmap::Ranges { users, groups } => (users, groups),
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, fd)) = kept.iter().find(|(known, _)| known == idmap) {
            return Ok(Arc::clone(fd));
        }
        let fd = Arc::new(namespace_with_maps(users, groups)?);
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((idmap.clone(), Arc::clone(&fd)));
        Ok(fd)
    }
}

fn open_namespace(dir: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(dir, path, flags, Mode::empty());
    let fd = opened
        .map_err(|e| Error::sys(Operation::OpenUserNamespace, Syscall::Openat, e).with_argument(path))?;
    // Checked here, because EINVAL from mount_setattr(2) would not name this reason.
    let name = procfs::path_for(Operation::OpenUserNamespace, fd.as_fd())?;
    match name.to_string_lossy().starts_with("user:[") {
        true => Ok(fd),
        false => {
            Err(Error::new(ErrorKind::OptionValue, Operation::OpenUserNamespace, "is not a user namespace")
                .with_argument(path)
                .with_hint("give a file such as /proc/PID/ns/user"))
        }
    }
}

pub(crate) fn park() -> Result<Parked> {
    let step = Operation::MakeUserNamespace;
    Parked::new().map_err(|errno| match errno {
        Errno::NOSPC | Errno::USERS => Error::sys(step, Syscall::Clone, errno)
            .with_kind(ErrorKind::TooManyNamespaces)
            .with_reason("the limit of user namespaces is reached")
            .with_hint("raise the sysctl user.max_user_namespaces"),
        Errno::PERM => Error::sys(step, Syscall::Clone, errno).with_hint(
            "allow creating user namespaces: an id-mapped mount needs one (`fmountat doctor` shows what \
             forbids it)",
        ),
        _ => Error::sys(step, Syscall::Clone, errno),
    })
}

/// Makes a user namespace with these maps. An empty list maps all ids to themselves.
pub(crate) fn namespace_with_maps(users: &[IdMapping], groups: &[IdMapping]) -> Result<OwnedFd> {
    namespace_by(|pid| {
        write_map(pid, "uid_map", users)?;
        write_map(pid, "gid_map", groups)
    })
}

/// Makes a user namespace whose maps `map` writes, given the number of its process. Only its
/// descriptor is left, no process.
pub(crate) fn namespace_by(map: impl FnOnce(u32) -> Result<()>) -> Result<OwnedFd> {
    let step = Operation::MakeUserNamespace;
    let parked = park()?;
    let pid = pid_in_proc(&parked)?;
    map(pid)?;
    match user_namespace_of(parked.pidfd()) {
        Ok(fd) => {
            trace::strategy(OPEN_USER_NAMESPACE, "pidfd");
            Ok(fd)
        }
        // Before 6.11, or under a filter: open it by its name.
        Err(errno) => {
            trace::fallback(OPEN_USER_NAMESPACE, "pidfd", Some(errno));
            trace::strategy(OPEN_USER_NAMESPACE, "/proc/PID/ns/user");
            let directory = format!("{pid}/ns");
            procfs::open_link(&directory, "user", OFlags::RDONLY)
                .map_err(|e| procfs::failed(step, &directory, e))
        }
    }
}

/// Returns the number of the process in the pid namespace of /proc. That may be an outer one, where
/// our number is another process's.
fn pid_in_proc(parked: &Parked) -> Result<u32> {
    let path = format!("thread-self/fdinfo/{}", parked.pidfd().as_raw_fd());
    let text = procfs::text(&path).map_err(|e| procfs::failed(Operation::MapIds, &path, e))?;
    let number = text.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
    number.filter(|pid| *pid > 0).ok_or_else(|| procfs::failed(Operation::MapIds, &path, Errno::NOENT))
}

fn map_text(ranges: &[IdMapping]) -> String {
    ranges.iter().fold(String::new(), |mut text, IdMapping { inner, outer, count }| {
        let _ = writeln!(text, "{inner} {outer} {count}");
        text
    })
}

fn write_map(pid: u32, file: &str, ranges: &[IdMapping]) -> Result<()> {
    let text = if ranges.is_empty() { unchanged(file)? } else { map_text(ranges) };
    let name = format!("{pid}/{file}");
    let explain = |error: Error| match error.raw_errno() {
        Some(Errno::PERM) => error
            .with_reason(
                "the mapping must use ids that are mapped in the current user namespace, and requires \
                 CAP_SETUID and CAP_SETGID",
            )
            .with_hint(procfs::SEE_ID_MAPS),
        _ => error,
    };
    let fd = procfs::open(&*name, OFlags::WRONLY)
        .map_err(|e| explain(procfs::failed(Operation::MapIds, &name, e)))?;
    // The kernel accepts a map in a single write only.
    let written = rustix::io::retry_on_intr(|| rustix::io::write(&fd, text.as_bytes()));
    written.map(drop).map_err(|e| {
        explain(Error::sys(Operation::MapIds, Syscall::Write, e).with_argument(format!("/proc/{name}")))
    })
}

/// Returns a map that changes nothing: it maps every id of this user namespace to itself.
fn unchanged(file: &str) -> Result<String> {
    let name = format!("thread-self/{file}");
    let own = procfs::text(&name).map_err(|e| procfs::failed(Operation::MapIds, &name, e))?;
    let mut text = String::new();
    for line in own.lines() {
        let mut numbers = line.split_whitespace();
        if let (Some(inside), Some(_), Some(count)) = (numbers.next(), numbers.next(), numbers.next()) {
            let _ = writeln!(text, "{inside} {inside} {count}");
        }
    }
    Ok(text)
}

impl Tree {
    /// Copies a mount as [`clone_of`](Self::clone_of) does and maps the owners of all mounts of the
    /// tree as the user namespace `userns` does. Uses open_tree_attr(2) \[Linux 6.15\], which can
    /// also change an existing mapping. If that is missing or fails, uses open_tree(2) and
    /// mount_setattr(2) \[Linux 5.12\].
    ///
    /// # Errors
    /// Those of [`clone_of`](Self::clone_of) and [`set_idmap`](Self::set_idmap).
    pub fn clone_idmapped(
        dir: impl AsFd,
        path: impl AsRef<Path>,
        recursive: bool,
        userns: impl AsFd,
    ) -> Result<Self> {
        let (dir, path) = (dir.as_fd(), path.as_ref());
        if Features::get().open_tree_attr {
            let c_path = c_string(Operation::ReadSource, path)?;
            let flags = clone_flags(recursive).bits();
            match open_tree_attr(dir, &c_path, flags, &idmap_raw(userns.as_fd())) {
                Ok(fd) => {
                    trace::strategy(MAP_OWNERS, "open_tree_attr(2)");
                    return Ok(Self::from_fd(fd));
                }
                Err(errno) => trace::fallback(MAP_OWNERS, "open_tree_attr(2)", Some(errno)),
            }
        }
        trace::strategy(MAP_OWNERS, "mount_setattr(2)");
        let tree = Self::clone_of(dir, path, recursive)?;
        tree.set_idmap(userns, recursive).map_err(|e| e.with_argument(path))?;
        Ok(tree)
    }

    /// Maps the owners of the root mount as the user namespace `userns` does, and with `recursive`
    /// those of all mounts of the tree: `mount_setattr(MOUNT_ATTR_IDMAP)` \[Linux 5.12\]. The tree
    /// must not be attached yet.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for a file system that can't be mapped, or a mount that is mapped
    /// already; [`ErrorKind::Permission`].
    pub fn set_idmap(&self, userns: impl AsFd, recursive: bool) -> Result<()> {
        set_idmap(self.root(), userns.as_fd(), recursive)
    }
}

/// Lists the file systems that can be id-mapped.
pub(crate) const WITH_IDMAP: &str = "ext4 and xfs can be id-mapped, btrfs since Linux 5.15, erofs 5.19, \
                                     squashfs 6.2, tmpfs 6.3; for overlay map the layers";

/// Returns the mount_setattr(2) argument that maps owners as the user namespace `userns` does.
pub(crate) fn idmap_raw(userns: BorrowedFd<'_>) -> MountAttrRaw {
    // A descriptor is never negative.
    let userns_fd = u64::from(userns.as_raw_fd().unsigned_abs());
    MountAttrRaw { attr_set: MOUNT_ATTR_IDMAP, userns_fd, ..MountAttrRaw::default() }
}

/// Maps the owners of the detached mount that `fd` is on, and with `recursive` of all mounts below
/// it: mount_setattr(2) \[Linux 5.12\].
pub(crate) fn set_idmap(fd: BorrowedFd<'_>, userns: BorrowedFd<'_>, recursive: bool) -> Result<()> {
    set_raw(fd, &idmap_raw(userns), recursive)
        .map_err(|e| explain_idmap(Error::sys(Operation::MapIds, Syscall::MountSetattr, e), userns))
}

/// Adds the reason of a failed id mapping to the error.
pub(crate) fn explain_idmap(error: Error, userns: BorrowedFd<'_>) -> Error {
    match error.raw_errno() {
        Some(Errno::INVAL) if maps_nothing(userns) => error
            .with_kind(ErrorKind::OptionValue)
            .with_reason("the user namespace has no id mappings yet: write its uid_map and gid_map first"),
        Some(Errno::INVAL) => error
            .with_kind(ErrorKind::Unsupported)
            .with_reason("can't be id-mapped, or is id-mapped already")
            .with_hint(WITH_IDMAP),
        Some(Errno::PERM) if is_initial(userns) => error
            .with_reason("the initial user namespace can't be used for an id-mapped mount: give another one"),
        Some(Errno::PERM) => error.with_hint(
            "id-mapping a mount requires CAP_SYS_ADMIN in the user namespace that mounted the file system",
        ),
        _ => error,
    }
}

/// Reports whether `userns` can't map even a tmpfs, while a namespace with maps can \[Linux 6.3\].
fn maps_nothing(userns: BorrowedFd<'_>) -> bool {
    let one = [IdMapping { inner: 0, outer: 0, count: 1 }];
    map_tmpfs(userns) == Some(Err(Errno::INVAL))
        && namespace_with_maps(&one, &one).is_ok_and(|other| map_tmpfs(other.as_fd()) == Some(Ok(())))
}

fn map_tmpfs(userns: BorrowedFd<'_>) -> Option<std::result::Result<(), Errno>> {
    let tree = FsContext::open("tmpfs").ok()?.create().ok()?.mount(&MountAttr::default()).ok()?;
    Some(set_raw(tree.root(), &idmap_raw(userns), false))
}

fn is_initial(userns: BorrowedFd<'_>) -> bool {
    let inode = |stat: rustix::fs::Stat| stat.st_ino;
    let own = procfs::namespace("user").and_then(|file| rustix::fs::fstat(&file)).map(inode);
    own.is_ok() && own == rustix::fs::fstat(userns.as_fd()).map(inode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_the_kernel_would_refuse_without_a_word() {
        let range = |inner, outer, count| IdMapping { inner, outer, count };
        let check =
            |ranges: &[IdMapping]| check_ranges(Operation::ReadUidMapping, ranges).map_err(|e| e.reason());
        assert!(check(&[range(0, 1000, 10), range(10, 2000, 5), range(15, 0, 1)]).is_ok());
        assert!(check(&[range(0, 0, u32::MAX)]).is_ok());
        for (ranges, words) in [
            (vec![range(0, 0, 0)], "must not be 0"),
            (vec![range(1, 0, u32::MAX)], "exceeds"),
            (vec![range(0, 0, 10), range(5, 100, 10)], "overlaps"),
            (vec![range(0, 0, 10), range(50, 9, 10)], "overlaps"),
            (vec![range(7, 7, 1); 341], "341"),
            ((0..200).map(|n| range(1_000_000_000 + n, 2_000_000_000 + n, 1)).collect(), "4800 bytes"),
        ] {
            assert!(check(&ranges).unwrap_err().contains(words), "{ranges:?}");
        }
    }
}
