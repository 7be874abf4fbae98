// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finds the mount that holds a path, in constant time if the kernel supports it.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::mountinfo;
use crate::mountinfo::MountEntry;
use crate::mountinfo::id::{MountId, MountinfoId, STATX_MNT_ID_UNIQUE};
use crate::sys::procfs;
use crate::table::fdinfo::mount_number;
use crate::table::fields::{Fields, TableStrategy};
use crate::table::reader::TableReader;
use crate::trace;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, Statx, StatxAttributes, StatxFlags};
use rustix::io::Errno;
use std::path::Path;

/// `STATX_MNT_ID` \[Linux 5.8\].
const STATX_MNT_ID: u32 = 0x1000;

/// Returns the visible mount that holds `path`, relative to `dir`. Follows symbolic links.
///
/// By statx(2) and statmount(2) the cost does not depend on the size of the mount table
/// \[Linux 6.13\]. Otherwise searches mountinfo for the id that statx(2) returns \[Linux 5.8\].
///
/// ```no_run
/// let root = fmountat::table::find(fmountat::CWD, "/etc/passwd")?;
/// println!("{} on {}", root.fstype.to_string_lossy(), root.target.display());
/// # Ok::<(), fmountat::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::NotFound`], [`ErrorKind::Permission`] and the other errors of path_resolution(7);
/// [`ErrorKind::NotMounted`] for a mount that is not in this table: it is detached, in another
/// namespace, or not below our root.
pub fn find(dir: impl AsFd, path: impl AsRef<Path>) -> Result<MountEntry> {
    find_by(dir.as_fd(), path.as_ref(), TableStrategy::Auto)
}

impl TableReader {
    /// Finds a mount like [`find`], by this reader's interface in the caller's mount namespace.
    /// Ignores the reader's fields.
    ///
    /// # Errors
    /// Those of [`find`]; [`ErrorKind::Unsupported`] if this kernel lacks the interface.
    pub fn find(&self, dir: impl AsFd, path: impl AsRef<Path>) -> Result<MountEntry> {
        find_by(dir.as_fd(), path.as_ref(), self.chosen_strategy())
    }
}

fn find_by(dir: BorrowedFd<'_>, path: &Path, strategy: TableStrategy) -> Result<MountEntry> {
    if strategy != TableStrategy::Mountinfo {
        let statx = statx_mount(dir, path, STATX_MNT_ID_UNIQUE)?;
        let has_unique = statx.stx_mask & STATX_MNT_ID_UNIQUE.bits() != 0;
        let id = MountId::from_number(if has_unique { statx.stx_mnt_id } else { 0 });
        // `propagate_from` is not in constant time: the kernel walks all peers of a slave to find
        // it.
        let fields = Fields::MOUNTINFO - Fields::PROPAGATE_FROM;
        let mut reader = TableReader::here().fields(fields);
        let table = reader.read_one(id);
        if let Ok(Some(table)) = &table {
            match table.iter().next() {
                Some(entry) => {
                    trace::strategy("find a mount", "statmount(2)");
                    return Ok(entry.to_entry());
                }
                None if strategy == TableStrategy::Statmount => return Err(not_here(path)),
                // A filter may have refused the call.
                None => {}
            }
        } else if strategy == TableStrategy::Statmount {
            let unsupported = || {
                let reason = "statmount(2) of this kernel does not report all required fields";
                Error::new(ErrorKind::Unsupported, Operation::FindMount, reason).with_argument(path)
            };
            return Err(table.err().unwrap_or_else(unsupported));
        } else if let Err(error) = &table {
            trace::fallback("find a mount", "statmount(2)", error.raw_errno());
        }
    }
    trace::strategy("find a mount", "/proc/PID/mountinfo");
    let id = mountinfo_id(dir, path)?;
    let entry = mountinfo::read()?.into_iter().find(|entry| entry.id == id);
    entry.ok_or_else(|| not_here(path))
}

/// Reports whether `path`, relative to `dir`, is the root of a mount. Follows symbolic links. Uses
/// statx(2) \[Linux 5.8\], else the table.
///
/// ```
/// assert!(fmountat::table::is_mount_point(fmountat::CWD, "/proc")?);
/// # Ok::<(), fmountat::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::NotFound`], [`ErrorKind::Permission`] and the other errors of path_resolution(7).
pub fn is_mount_point(dir: impl AsFd, path: impl AsRef<Path>) -> Result<bool> {
    let (dir, path) = (dir.as_fd(), path.as_ref());
    let statx = statx_mount(dir, path, StatxFlags::empty())?;
    if statx.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT) {
        return Ok(statx.stx_attributes.contains(StatxAttributes::MOUNT_ROOT));
    }
    is_mount_point_by_table(dir, path)
}

/// Compares the real path with the mount's target: only the root of a mount is at its target.
fn is_mount_point_by_table(dir: BorrowedFd<'_>, path: &Path) -> Result<bool> {
    let fd = open(dir, path)?;
    let real = procfs::path_for(Operation::FindMount, fd.as_fd())?;
    let id = mount_number(fd.as_fd()).ok_or_else(|| no_proc(path))?;
    Ok(mountinfo::read()?.iter().any(|entry| entry.id == id && entry.target == real))
}

/// Calls statx(2) without asking the file system and without triggering an automount: neither is
/// needed to identify the mount.
fn statx_mount(dir: BorrowedFd<'_>, path: &Path, mask: StatxFlags) -> Result<Statx> {
    let flags = AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
    rustix::fs::statx(dir, path, flags, mask).map_err(|e| failed(Syscall::Statx, e, path))
}

/// Returns the mountinfo id of the mount that holds `path`.
fn mountinfo_id(dir: BorrowedFd<'_>, path: &Path) -> Result<MountinfoId> {
    let statx = statx_mount(dir, path, StatxFlags::MNT_ID)?;
    if statx.stx_mask & STATX_MNT_ID != 0 {
        return Ok(MountinfoId::from_number(statx.stx_mnt_id));
    }
    mount_number(open(dir, path)?.as_fd()).ok_or_else(|| no_proc(path))
}

fn open(dir: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    rustix::fs::openat(dir, path, flags, Mode::empty()).map_err(|e| failed(Syscall::Openat, e, path))
}

fn failed(call: Syscall, errno: Errno, path: &Path) -> Error {
    Error::sys(Operation::FindMount, call, errno).with_argument(path)
}

fn no_proc(path: &Path) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        Operation::FindMount,
        "this kernel shows it only in /proc, which is not mounted",
    )
    .with_argument(path)
}

fn not_here(path: &Path) -> Error {
    let reason = "the mount that contains it is not in the mount table of this mount namespace";
    Error::new(ErrorKind::NotMounted, Operation::FindMount, reason).with_argument(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::CWD;

    #[test]
    fn both_strategies_know_mount_points() {
        for (path, want) in [("/proc", true), ("/proc/self", false), ("/etc", false), ("/proc/..", true)] {
            assert_eq!(is_mount_point(CWD, path).unwrap(), want, "{path}");
            assert_eq!(is_mount_point_by_table(CWD, Path::new(path)).unwrap(), want, "{path}");
        }
        assert_eq!(is_mount_point(CWD, "/proc/none").unwrap_err().kind(), ErrorKind::NotFound);
    }
}
