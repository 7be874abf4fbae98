// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finds the loop devices that a file already has, to share one or to detect a conflict.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall, escape};
use crate::kinds::loop_options::{LoopOptions, Sharing};
use crate::mountinfo;
use crate::mountinfo::MountEntry;
use crate::sys::loopctl::{LO_FLAGS_DIRECT_IO, LO_FLAGS_READ_ONLY, LoopInfo, get_status};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::{Errno, retry_on_intr};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) const CONTROL: &str = "/dev/loop-control";

/// Excludes other threads of this process; flock(2) in [`SetupLock`] excludes other processes.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Excludes other threads and processes while a device of a file is searched and set up. Locks
/// /dev/loop-control rather than the image, which the caller may have locked with flock(1).
pub(crate) struct SetupLock<'a> {
    control: BorrowedFd<'a>,
    _thread: MutexGuard<'static, ()>,
}

impl<'a> SetupLock<'a> {
    /// Takes the lock. Waits for other threads, but not for other processes.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] (`EAGAIN`) while another process holds the lock; the errno of flock(2).
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

impl Drop for SetupLock<'_> {
    fn drop(&mut self) {
        // Closing is not enough: until its execve(2) a forked child has the descriptor too.
        let _ = rustix::fs::flock(self.control, FlockOperation::Unlock);
    }
}

/// Finds a device with the requested range of `file`. Returns its path and an open descriptor,
/// which prevents the kernel from freeing it. Returns `None` if no device of the file conflicts
/// with a new one. Skips devices that are not in /dev or cannot be opened.
///
/// # Errors
/// [`ErrorKind::DeviceInUse`] for a device that has overlapping bytes of `image` and cannot be
/// shared. The device is closed, so that its users can free it.
pub(crate) fn find_shared(
    file: BorrowedFd<'_>,
    image: &Path,
    options: &LoopOptions,
    sharing: Sharing,
) -> Result<Option<(OwnedFd, PathBuf)>> {
    let Ok(file) = rustix::fs::fstat(file) else { return Ok(None) };
    let mut conflict = None;
    for path in devices() {
        let Ok(fd) = open(&path, OFlags::RDONLY | OFlags::NONBLOCK) else { continue };
        // The kernel does not free an open device, so the status is valid until `fd` is closed. A
        // device without a status is free, or its file cannot be stat'ed and is therefore not ours.
        let Ok(info) = retry_on_intr(|| get_status(fd.as_fd())) else { continue };
        if !is_same_file(&info, &file) || !matters(&info, options, sharing) {
            continue;
        }
        // `fd` remains open while the device is opened for writing.
        let obstacle = match obstacle(fd.as_fd(), &path, &info, options, sharing) {
            None if options.read_only => return Ok(Some((fd, path))),
            None => match open(&path, OFlags::RDWR | OFlags::NONBLOCK) {
                Ok(fd) => return Ok(Some((fd, path))),
                Err(errno) => {
                    let (device, errno) = (escaped(&path), std::io::Error::from(errno));
                    (format!("{device} is already set up on the file and can't be opened: {errno}"), None)
                }
            },
            // Several read-only devices of one file do not conflict.
            Some(_) if options.read_only && is_read_only(&info) => continue,
            Some(obstacle) => obstacle,
        };
        conflict.get_or_insert((path, number(fd.as_fd()), obstacle));
    }
    let Some((path, number, (reason, instead))) = conflict else { return Ok(None) };
    let mount = number.and_then(|number| mount_of(number, &path));
    let (place, release) = match mount.map(|mount| escaped(&mount.target)) {
        Some(target) => (format!(", mounted on {target}"), format!("unmount {target} first")),
        None => (String::new(), format!("free it first (losetup --detach {})", escaped(&path))),
    };
    let hint = instead.map_or_else(|| release.clone(), |instead| format!("{instead}, or {release}"));
    let error = Error::new(ErrorKind::DeviceInUse, Operation::SetUpLoopDevice, reason + &place);
    Err(error.with_argument(image).with_hint(hint))
}

/// Reports whether the device can be shared, or overlaps the range and one of the two is writable.
fn matters(info: &LoopInfo, options: &LoopOptions, sharing: Sharing) -> bool {
    if options.read_only && is_read_only(info) {
        return sharing != Sharing::WritableOnly && is_same_range(info, options);
    }
    let end = |offset: u64, limit: u64| if limit == 0 { u64::MAX } else { offset.saturating_add(limit) };
    info.offset < end(options.offset, options.size_limit)
        && options.offset < end(info.offset, info.size_limit)
}

/// Returns why a device cannot be shared, and the change of options that would allow it.
fn obstacle(
    fd: BorrowedFd<'_>,
    path: &Path,
    info: &LoopInfo,
    options: &LoopOptions,
    sharing: Sharing,
) -> Option<(String, Option<&'static str>)> {
    let device = escaped(path);
    if !is_same_range(info, options) {
        let (offset, length) = (info.offset, info.size_limit);
        let range = match length {
            0 => format!("from byte {offset} to the end"),
            length => format!("{length} bytes from byte {offset}"),
        };
        return Some((format!("{device} already covers an overlapping range of the file, {range}"), None));
    }
    let sector_size = rustix::fs::ioctl_blksszget(fd).unwrap_or_default();
    let (reason, instead) = match (options.read_only, is_read_only(info)) {
        (false, true) => (format!("the read-only {device} is already set up on the file"), "ask for `ro`"),
        (true, false) if sharing == Sharing::SameMode => {
            (format!("the writable {device} is already set up on the file"), "ask for it writable")
        }
        _ if options.sector_size.is_some_and(|wanted| wanted != sector_size) => (
            format!("{device} is already set up on the file, with sectors of {sector_size} bytes"),
            "leave `sector-size` out",
        ),
        _ if options.direct_io && info.flags & LO_FLAGS_DIRECT_IO == 0 => {
            (format!("{device} is already set up on the file, without direct I/O"), "leave `direct-io` out")
        }
        _ => return None,
    };
    Some((reason, Some(instead)))
}

/// Explains the `EBUSY` of mounting a loop device that is mounted already with another type or
/// mode. Returns `None` if type and mode are the same, or if no mount of the device is in this
/// namespace.
pub(crate) fn explain_busy(
    error: &Error,
    device: BorrowedFd<'_>,
    path: &Path,
    fstype: &OsStr,
    read_only: bool,
) -> Option<Error> {
    let mount = mount_of(number(device)?, path)?;
    let is_read_only =
        mount.super_options.as_bytes().split(|byte| *byte == b',').any(|option| option == b"ro");
    let (target, kind) = (escaped(&mount.target), escape(mount.fstype.as_bytes()));
    let hint = match (mount.fstype == fstype, read_only) {
        (true, _) if is_read_only == read_only => return None,
        (true, true) => format!("leave `ro` out, bind {target} with `bind,ro`, or unmount it first"),
        (true, false) => format!("mount it with `ro`, or unmount {target} first"),
        (false, _) => format!("mount it as {kind} too, or unmount {target} first"),
    };
    let (device, state) = (escaped(path), if is_read_only { "read-only" } else { "writable" });
    let reason = format!("the image is already mounted from {device}, as {kind}, {state}, on {target}");
    Some(error.clone().with_kind(ErrorKind::DeviceInUse).with_reason(reason).with_hint(hint))
}

/// Returns the loop devices that are set up; without sysfs, all loop devices in /dev.
fn devices() -> Vec<PathBuf> {
    let is_loop = |name: &OsString| {
        let number = name.as_bytes().strip_prefix(b"loop");
        number.is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
    };
    let loops = |dir: &str| {
        let names = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.file_name());
        names.filter(is_loop).collect::<Vec<_>>()
    };
    let mut names = loops("/sys/block");
    if names.is_empty() {
        names = loops("/dev");
    } else {
        names.retain(|name| Path::new("/sys/block").join(name).join("loop").exists());
    }
    names.into_iter().map(|name| Path::new("/dev").join(name)).collect()
}

pub(crate) fn open(path: impl AsRef<Path>, flags: OFlags) -> Result<OwnedFd, Errno> {
    let path = path.as_ref();
    retry_on_intr(|| rustix::fs::openat(CWD, path, flags | OFlags::CLOEXEC, Mode::empty()))
}

fn escaped(path: &Path) -> String {
    escape(path.as_os_str().as_bytes())
}

/// Compares block devices by number, since /dev may have several nodes for one device.
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

/// Finds a mount of the device in this namespace. For btrfs it compares the source: its device
/// number differs.
fn mount_of(number: (u32, u32), path: &Path) -> Option<MountEntry> {
    let table = mountinfo::read().unwrap_or_default();
    table.into_iter().find(|entry| entry.device == number || entry.source == path.as_os_str())
}
