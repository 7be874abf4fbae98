// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who keeps a mount in use: processes, mounts below it, loop devices, and the same in copies that go with it.

mod copies;
mod process;

use super::located;
use super::mountinfo::MountEntry;
use crate::error::{Error, Holder, HolderKind, Result};
use crate::sys::statmount::{MNT_POINT, SB_BASIC, statmount};
use crate::vfs::identity::{MountId, id_mask};
use rustix::fs::{AtFlags, CWD, StatxFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What is looked for.
#[derive(Debug)]
struct Sought {
    mounts: Vec<MountId>,
    /// Ids in the table: of the mount, and of the copies that unmounting takes with it.
    number: Option<u64>,
    copies: Vec<u64>,
    points: Vec<PathBuf>,
    devices: Vec<(u32, u32)>,
}

/// How something lies on what is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Mount,
    Copy,
}

impl Sought {
    fn new(mount: MountId, table: &[MountEntry], entry: &MountEntry) -> Self {
        Self {
            mounts: vec![mount],
            number: Some(entry.id),
            copies: copies::of(table, entry),
            points: vec![entry.target.clone()],
            devices: vec![entry.device],
        }
    }

    /// Any of these mounts, by their unique ids; those that are gone have no users.
    fn any(mounts: Vec<MountId>) -> Self {
        let told = |id: &MountId| statmount(id.get(), SB_BASIC | MNT_POINT).ok();
        let told: Vec<_> = mounts.iter().filter_map(told).collect();
        let devices = told.iter().filter_map(|told| told.device).collect();
        let points = told.into_iter().filter_map(|told| Some(OsString::from_vec(told.mnt_point?).into()));
        Self { number: None, copies: Vec::new(), points: points.collect(), devices, mounts }
    }

    /// Whether the file that `path` leads to, followed as magic links are, is on the mount. Nothing is asked of the file
    /// system: one whose server is dead can't hold us up.
    fn has(&self, path: &Path) -> Result<Option<Held>, Errno> {
        let flags = AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
        let statx = |mask| rustix::fs::statx(CWD, path, flags, mask).map(|found| found.stx_mnt_id);
        let number = match statx(id_mask()) {
            Ok(id) if self.mounts.iter().any(|mount| mount.get() == id) => return Ok(Some(Held::Mount)),
            Ok(_) if self.copies.is_empty() && self.mounts.iter().all(|mount| mount.is_unique()) => {
                return Ok(None);
            }
            Ok(_) => statx(StatxFlags::MNT_ID)?,
            // FUSE keeps everybody but the user who mounted it out, root too.
            Err(Errno::ACCESS) => super::fdinfo::mount_number_at(path).ok_or(Errno::ACCESS)?,
            Err(errno) => return Err(errno),
        };
        Ok(self.by_number(number))
    }

    fn by_number(&self, number: u64) -> Option<Held> {
        match number {
            number if Some(number) == self.number => Some(Held::Mount),
            number if self.copies.contains(&number) => Some(Held::Copy),
            _ => None,
        }
    }
}

/// Everything found that keeps the mount in use, sorted by process; empty if nothing does. A process that the caller may
/// not look into (ptrace(2), "access mode checking") is left out; so are files that are only in flight between
/// processes, registered with an io_uring, or held by the kernel itself (swap), and bound UNIX sockets.
///
/// Each link below `/proc/PID` (cwd and root of each thread, `exe`, `fd`, `map_files`) is compared by
/// `statx(STATX_MNT_ID_UNIQUE, AT_STATX_DONT_SYNC)` \[Linux 6.8; before, by the id that mountinfo shows: 5.8\], so
/// that another mount of the same file system is never taken for this one and a dead file server can't hold the call up.
///
/// ```no_run
/// # use rustix::fd::AsFd;
/// let target = fmountat::Target::open(rustix::fs::CWD, "/mnt")?;
/// let mount = fmountat::MountId::of(target.as_fd())?;
/// drop(target); // it would be a holder itself
/// for holder in fmountat::holders(mount)? {
///     println!("{:?} {}", holder.pid, holder.kind);
/// }
/// # Ok::<(), fmountat::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) without /proc,
/// [`ErrorKind::NotMounted`](crate::ErrorKind::NotMounted) where this namespace has no such mount.
pub fn holders(mount: MountId) -> Result<Vec<Holder>> {
    let (table, entry) = located::read_with(mount)?;
    let sought = Sought::new(mount, &table, &entry);
    let mut found = mounts_below(&table, &entry);
    found.extend(loop_devices(&sought));
    found.extend(processes(&sought)?);
    found.sort();
    found.dedup();
    Ok(found)
}

/// The processes among the holders.
pub(crate) fn of_processes(mount: MountId) -> Result<Vec<Holder>> {
    let (table, entry) = located::read_with(mount)?;
    processes(&Sought::new(mount, &table, &entry))
}

/// The processes that use any of these mounts, found in one pass.
pub(crate) fn users_of(mounts: Vec<MountId>) -> Result<Vec<Holder>> {
    processes(&Sought::any(mounts))
}

fn processes(sought: &Sought) -> Result<Vec<Holder>> {
    Ok(numbers("/proc")?.into_iter().flat_map(|pid| process::holders(pid, sought)).collect())
}

pub(crate) fn mounts_below(table: &[MountEntry], entry: &MountEntry) -> Vec<Holder> {
    let below = table.iter().filter(|other| other.parent == entry.id && other.id != entry.id);
    below.map(|other| Holder::mount_below(other.target.clone())).collect()
}

/// `/sys/block/loop*/loop/backing_file` is the backing file's path; the name of a deleted one ends in ` (deleted)`.
fn loop_devices(sought: &Sought) -> Vec<Holder> {
    let devices = std::fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let holders = devices.filter_map(|device| {
        let text = std::fs::read(device.path().join("loop/backing_file")).ok()?;
        let text = text.strip_suffix(b"\n").unwrap_or(&text);
        let held = match sought.has(Path::new(OsStr::from_bytes(text))) {
            Err(Errno::NOENT) => sought.has(Path::new(OsStr::from_bytes(text)).parent()?),
            held => held,
        };
        let name = Path::new("/dev").join(device.file_name());
        let in_copy = held.ok()?? == Held::Copy;
        Some(Holder { pid: None, command: OsString::new(), kind: HolderKind::LoopDevice(name), in_copy })
    });
    holders.collect()
}

/// The entries of a directory that are numbers: processes, threads, descriptors.
fn numbers(dir: impl AsRef<Path>) -> Result<Vec<u32>> {
    let dir = dir.as_ref();
    let entries = std::fs::read_dir(dir).map_err(|e| Error::from_io("look for who uses it", dir, e))?;
    Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}
