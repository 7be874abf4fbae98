// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Loop devices that a file has already: one that can be shared, or one that a new device would collide with.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall, escape};
use crate::kinds::loop_options::{LoopOptions, Sharing};
use crate::mountinfo;
use crate::mountinfo::MountEntry;
use crate::sys::loopctl::{LO_FLAGS_DIRECT_IO, LO_FLAGS_READ_ONLY, LoopInfo, get_status};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::{Errno, retry_on_intr};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) const CONTROL: &str = "/dev/loop-control";

/// Threads of this process take turns: the lock of [`Turn`] is for processes.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// An open loop device that shows the wanted range of the file. The kernel does not free it while it is open.
#[derive(Debug)]
pub(crate) struct Existing {
    pub(crate) fd: OwnedFd,
    pub(crate) path: PathBuf,
}

/// A loop device on the same file that can't be shared. It is not held open, so that its users can free it.
#[derive(Debug)]
pub(crate) struct Conflict {
    path: PathBuf,
    number: Option<(u32, u32)>,
    obstacle: Obstacle,
}

/// Why a loop device on the same file can't be shared.
#[derive(Debug, Clone, Copy)]
enum Obstacle {
    OtherRange { offset: u64, size_limit: u64 },
    ReadOnly,
    Writable,
    SectorSize(u32),
    PageCache,
    NotOpened(Errno),
}

/// Excludes other threads and processes while a file's device is looked for and set up. Processes lock /dev/loop-control
/// and not the image, which our caller may have locked: `flock IMAGE fmountat ...`.
pub(crate) struct Turn<'a> {
    control: BorrowedFd<'a>,
    _thread: MutexGuard<'static, ()>,
}

impl<'a> Turn<'a> {
    pub(crate) fn take(control: BorrowedFd<'a>) -> Result<Self> {
        let thread = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let locked = retry_on_intr(|| rustix::fs::flock(control, FlockOperation::NonBlockingLockExclusive));
        locked.map_err(|errno| {
            let error = Error::sys(Operation::LockLoopControl, Syscall::Flock, errno).with_argument(CONTROL);
            match errno {
                Errno::AGAIN => {
                    error.with_kind(ErrorKind::Busy).with_reason("another program holds its lock")
                }
                _ => error,
            }
        })?;
        Ok(Self { control, _thread: thread })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Closing would not do: a child that another thread makes has the descriptor too until its execve(2).
        let _ = rustix::fs::flock(self.control, FlockOperation::Unlock);
    }
}

/// Looks for a device to share. `Ok(None)`: no device of this file is in the way of a new one.
///
/// A device whose file in /dev is missing or can't be opened is not found.
pub(crate) fn look(
    file: BorrowedFd<'_>,
    options: &LoopOptions,
    sharing: Sharing,
) -> Result<Option<Existing>, Conflict> {
    let Ok(file) = rustix::fs::fstat(file) else { return Ok(None) };
    let mut conflict = None;
    for path in devices() {
        let Ok(fd) = open(&path, OFlags::RDONLY) else { continue };
        // The kernel frees no open device, so this status is valid until `fd` is closed. A device without one is free,
        // or its file can't be looked at: another file than ours, which could.
        let Ok(info) = retry_on_intr(|| get_status(fd.as_fd())) else { continue };
        if !is_same_file(&info, &file) || !matters(&info, options, sharing) {
            continue;
        }
        // `fd` stays open while the device is opened for writing.
        let obstacle = match obstacle(fd.as_fd(), &info, options, sharing) {
            None if options.read_only => return Ok(Some(Existing { fd, path })),
            None => match open(&path, OFlags::RDWR) {
                Ok(fd) => return Ok(Some(Existing { fd, path })),
                Err(errno) => Obstacle::NotOpened(errno),
            },
            // Read-only devices of one file do no harm to each other.
            Some(_) if options.read_only && is_read_only(&info) => continue,
            Some(obstacle) => obstacle,
        };
        conflict.get_or_insert(Conflict { path, number: number(fd.as_fd()), obstacle });
    }
    conflict.map_or(Ok(None), Err)
}

/// Whether the device has bytes of the wanted range, and one of the two is writable or it can be shared.
fn matters(info: &LoopInfo, options: &LoopOptions, sharing: Sharing) -> bool {
    if options.read_only && is_read_only(info) {
        return sharing != Sharing::WritableOnly && is_same_range(info, options);
    }
    let end = |offset: u64, limit: u64| if limit == 0 { u64::MAX } else { offset.saturating_add(limit) };
    info.offset < end(options.offset, options.size_limit)
        && options.offset < end(info.offset, info.size_limit)
}

fn obstacle(
    device: BorrowedFd<'_>,
    info: &LoopInfo,
    options: &LoopOptions,
    sharing: Sharing,
) -> Option<Obstacle> {
    if !is_same_range(info, options) {
        return Some(Obstacle::OtherRange { offset: info.offset, size_limit: info.size_limit });
    }
    match (options.read_only, is_read_only(info)) {
        (false, true) => return Some(Obstacle::ReadOnly),
        (true, false) if sharing == Sharing::SameMode => return Some(Obstacle::Writable),
        _ => {}
    }
    let sector_size = rustix::fs::ioctl_blksszget(device).unwrap_or_default();
    if options.sector_size.is_some_and(|wanted| wanted != sector_size) {
        return Some(Obstacle::SectorSize(sector_size));
    }
    (options.direct_io && info.flags & LO_FLAGS_DIRECT_IO == 0).then_some(Obstacle::PageCache)
}

impl Conflict {
    pub(crate) fn error(self, image: &Path) -> Error {
        let device = escape(self.path.as_os_str().as_bytes());
        let (what, instead) = match self.obstacle {
            Obstacle::OtherRange { offset, size_limit: 0 } => (
                format!(
                    "{device} already covers an overlapping range of the file, from byte {offset} to the end"
                ),
                None,
            ),
            Obstacle::OtherRange { offset, size_limit } => (
                format!(
                    "{device} already covers an overlapping range of the file, {size_limit} bytes from byte {offset}"
                ),
                None,
            ),
            Obstacle::ReadOnly => {
                (format!("the read-only {device} is already set up on the file"), Some("ask for `ro`"))
            }
            Obstacle::Writable => {
                (format!("the writable {device} is already set up on the file"), Some("ask for it writable"))
            }
            Obstacle::SectorSize(size) => (
                format!("{device} is already set up on the file, with sectors of {size} bytes"),
                Some("leave `sector-size` out"),
            ),
            Obstacle::PageCache => (
                format!("{device} is already set up on the file, without direct I/O"),
                Some("leave `direct-io` out"),
            ),
            Obstacle::NotOpened(errno) => (
                format!(
                    "{device} is already set up on the file and can't be opened: {}",
                    std::io::Error::from(errno)
                ),
                None,
            ),
        };
        let mount = self.number.and_then(|number| mount_of(number, &self.path));
        let (place, release) = match mount.map(|mount| escape(mount.target.as_os_str().as_bytes())) {
            Some(target) => (format!(", mounted on {target}"), format!("unmount {target} first")),
            None => (String::new(), format!("free it first (losetup --detach {device})")),
        };
        let hint = instead.map_or_else(|| release.clone(), |instead| format!("{instead}, or {release}"));
        let error = Error::new(ErrorKind::DeviceInUse, Operation::SetUpLoopDevice, what + &place);
        error.with_argument(image).with_hint(hint)
    }
}

/// Why the kernel does not mount from a loop device that is mounted already, and what to do about it.
#[derive(Debug)]
pub(crate) struct Refusal {
    reason: String,
    hint: String,
}

impl Refusal {
    /// Compares the wanted mount with the one that the device has. `None` if the kernel can share that, or no mount of
    /// the device is in this namespace.
    pub(crate) fn of(device: BorrowedFd<'_>, path: &Path, fstype: &OsStr, read_only: bool) -> Option<Self> {
        let mount = mount_of(number(device)?, path)?;
        let is_read_only =
            mount.super_options.as_bytes().split(|byte| *byte == b',').any(|word| word == b"ro");
        if mount.fstype == fstype && is_read_only == read_only {
            return None;
        }
        let (target, kind) = (escape(mount.target.as_os_str().as_bytes()), escape(mount.fstype.as_bytes()));
        let hint = match (mount.fstype == fstype, read_only) {
            (false, _) => format!("mount it as {kind} too, or unmount {target} first"),
            (true, true) => format!("leave `ro` out, bind {target} with `bind,ro`, or unmount it first"),
            (true, false) => format!("mount it with `ro`, or unmount {target} first"),
        };
        let state = if is_read_only { "read-only" } else { "writable" };
        let device = escape(path.as_os_str().as_bytes());
        Some(Self {
            reason: format!("the image is already mounted from {device}, as {kind}, {state}, on {target}"),
            hint,
        })
    }

    /// For a device whose mount is not in this namespace: in another one, or detached in the list that is being built.
    pub(crate) fn unseen(path: &Path) -> Self {
        let device = escape(path.as_os_str().as_bytes());
        Self {
            reason: format!("the image is already in use by {device}, as another type or in another mode"),
            hint: String::from(
                "an image has one type, and is `ro` or writable, for all its mounts: also for those of one list",
            ),
        }
    }

    pub(crate) fn explain(self, error: Error) -> Error {
        error.with_kind(ErrorKind::DeviceInUse).with_reason(self.reason).with_hint(self.hint)
    }
}

/// The loop devices that have a file; without sysfs all that /dev has.
fn devices() -> Vec<PathBuf> {
    let names =
        |dir: &str| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let is_loop = |name: &OsStr| {
        let number = name.as_bytes().strip_prefix(b"loop");
        number.is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
    };
    let sysfs = Path::new("/sys/block");
    let mut loops: Vec<_> = names("/sys/block").filter(|name| is_loop(name)).collect();
    if loops.is_empty() {
        loops = names("/dev").filter(|name| is_loop(name)).collect();
    } else {
        loops.retain(|name| sysfs.join(name).join("loop").exists());
    }
    loops.into_iter().map(|name| Path::new("/dev").join(name)).collect()
}

fn open(path: &Path, access: OFlags) -> Result<OwnedFd, Errno> {
    let flags = access | OFlags::CLOEXEC | OFlags::NONBLOCK;
    retry_on_intr(|| rustix::fs::openat(CWD, path, flags, Mode::empty()))
}

/// Block devices are compared by number: several files in /dev may lead to one.
fn is_same_file(info: &LoopInfo, file: &Stat) -> bool {
    match FileType::from_raw_mode(file.st_mode) {
        FileType::BlockDevice => info.rdevice == file.st_rdev,
        _ => (info.device, info.inode) == (file.st_dev, file.st_ino),
    }
}

fn is_same_range(info: &LoopInfo, options: &LoopOptions) -> bool {
    (info.offset, info.size_limit) == (options.offset, options.size_limit)
}

fn is_read_only(info: &LoopInfo) -> bool {
    info.flags & LO_FLAGS_READ_ONLY != 0
}

fn number(device: BorrowedFd<'_>) -> Option<(u32, u32)> {
    let number = rustix::fs::fstat(device).ok()?.st_rdev;
    Some((rustix::fs::major(number), rustix::fs::minor(number)))
}

/// A mount of this namespace that is made from the device; btrfs has another number there.
fn mount_of(number: (u32, u32), path: &Path) -> Option<MountEntry> {
    let table = mountinfo::read().unwrap_or_default();
    table.into_iter().find(|entry| entry.device == number || entry.source == path.as_os_str())
}
