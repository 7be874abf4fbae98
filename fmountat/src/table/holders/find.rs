// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finds the processes, child mounts and loop devices that keep a mount or its copies busy.

use crate::error::{Holder, HolderKind, Operation, Result};
use crate::mountinfo::MountEntry;
use crate::mountinfo::id::{MountId, UniqueMountId};
use crate::sys::procfs;
use crate::table::holders::numbers::numbers;
use crate::table::holders::process;
use crate::table::holders::sought::{Held, Sought};
use crate::table::located;
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Returns everything that keeps the mount busy, sorted by process; an empty list if nothing was
/// found.
///
/// Not found are: processes that the caller may not inspect (ptrace(2), "access mode checking"),
/// files in flight between processes, files registered with an io_uring, files held by the kernel
/// itself (swap), and bound UNIX sockets.
///
/// Each link below `/proc/PID` (cwd and root of each thread, `exe`, `fd`, `map_files`) is compared
/// by `statx(STATX_MNT_ID_UNIQUE, AT_STATX_DONT_SYNC)` \[Linux 6.8; before, by the mountinfo id:
/// 5.8\]. Other mounts of the same file system therefore never match, and a dead file server cannot
/// block the call.
///
/// ```no_run
/// # use rustix::fd::AsFd;
/// let target = fmountat::Target::open(fmountat::CWD, "/mnt")?;
/// let mount = fmountat::MountId::of(target.as_fd())?;
/// drop(target); // it would be a holder itself
/// for holder in fmountat::table::holders(mount)? {
///     println!("{:?} {}", holder.pid, holder.kind);
/// }
/// # Ok::<(), fmountat::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::Unsupported`](crate::error::kind::ErrorKind::Unsupported) without /proc,
/// [`ErrorKind::NotMounted`](crate::error::kind::ErrorKind::NotMounted) if this namespace has no
/// such mount.
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

/// Returns only the processes among the holders.
pub(crate) fn of_processes(mount: MountId) -> Result<Vec<Holder>> {
    let (table, entry) = located::read_with(mount)?;
    processes(&Sought::new(mount, &table, &entry))
}

/// Returns the processes that use any of these mounts, found in one pass over /proc.
pub(crate) fn users_of(mounts: Vec<UniqueMountId>) -> Result<Vec<Holder>> {
    processes(&Sought::any(mounts))
}

fn processes(sought: &Sought) -> Result<Vec<Holder>> {
    procfs::need(Operation::LookForWhoUsesIt)?;
    Ok(numbers("/proc")?.into_iter().flat_map(|pid| process::holders(pid, sought)).collect())
}

pub(crate) fn mounts_below(table: &[MountEntry], entry: &MountEntry) -> Vec<Holder> {
    let below = table.iter().filter(|other| other.parent == entry.id && other.id != entry.id);
    below.map(|other| Holder::mount_below(other.target.clone())).collect()
}

/// `/sys/block/loop*/loop/backing_file` is the path of the backing file; ` (deleted)` follows that
/// of a deleted file.
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
