// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sets up loop devices without races among threads and processes, and frees them on drop.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall, escape};
use crate::kinds::device_path::write_protected;
use crate::kinds::loop_options::{LoopOptions, Sharing};
use crate::kinds::loop_shared::{CONTROL, SetupLock, explain_busy, find_shared, open};
use crate::sys::loopctl::{
    LO_FLAGS_AUTOCLEAR, LO_FLAGS_DIRECT_IO, LO_FLAGS_READ_ONLY, LO_NAME_SIZE, LoopInfo, clear_fd, configure,
    get_free, get_status,
};
use crate::sys::procfs::descriptor_name;
use crate::vfs::unpinned::apart_from_tree;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// An open loop device. Dropping it frees the device, unless it is mounted, [kept](Self::keep) or
/// [shared](Self::is_shared).
///
/// ```no_run
/// use fmountat::image::{LoopDevice, LoopOptions};
/// let options = LoopOptions::default().read_only(true);
/// let device = LoopDevice::attach(fmountat::CWD, "disk.img", &options)?;
/// println!("{}", device.path().display());
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug)]
pub struct LoopDevice {
    fd: OwnedFd,
    path: PathBuf,
    /// Whether drop must free it because the kernel does not.
    is_ours_to_free: bool,
    is_shared: bool,
}

/// How long to retry while other programs take each free device first.
const RETRY_TIME: Duration = Duration::from_secs(10);

/// How long to wait for the lock that other programs hold while they set up a device. Many programs
/// may wait on a busy machine, each holds it for a few milliseconds.
const LOCK_TIME: Duration = Duration::from_secs(60);

/// How long to wait for a conflicting device to be freed: the kernel frees a device with autoclear
/// shortly after its unmount.
const FREE_TIME: Duration = Duration::from_millis(100);

impl LoopDevice {
    /// Opens the device with this range of `file` in this mode, or sets one up. A relative `file`
    /// is resolved from `dir`.
    ///
    /// Two devices on one file are two block devices with separate caches: each overwrites the
    /// other's writes. A file therefore never gets two devices with overlapping ranges, unless both
    /// are read-only. A shared device keeps its autoclear flag.
    ///
    /// A free device is set up by `LOOP_CTL_GET_FREE` and `LOOP_CONFIGURE` \[Linux 5.8\]. If
    /// another program takes it first, the next one is tried, for ten seconds. A file in a detached
    /// [`Tree`](crate::Tree) is opened through a mount of its own, so that the device does not keep
    /// the tree alive.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for the file or /dev/loop-control; [`ErrorKind::Permission`];
    /// [`ErrorKind::OptionValue`] for an offset past the end or an invalid sector size;
    /// [`ErrorKind::Unsupported`] if direct I/O is not possible; [`ErrorKind::DeviceInUse`] if
    /// another device has overlapping bytes of the file and cannot be shared because its range,
    /// mode, sector size or direct I/O differ; [`ErrorKind::Busy`] after ten seconds, or after a
    /// minute if others hold the lock on /dev/loop-control. After an error no device remains set
    /// up.
    pub fn attach(dir: impl AsFd, file: impl AsRef<Path>, options: &LoopOptions) -> Result<Self> {
        Self::share_or_attach(dir.as_fd(), file.as_ref(), options, Sharing::SameMode)
    }

    /// Like [`attach`](Self::attach), with a rule for sharing existing devices.
    pub(crate) fn share_or_attach(
        dir: BorrowedFd<'_>,
        path: &Path,
        options: &LoopOptions,
        sharing: Sharing,
    ) -> Result<Self> {
        let file = open_file(dir, path, options)?;
        let control = open_control()?;
        let start = Instant::now();
        loop {
            let error = match Self::try_once(control.as_fd(), file.as_fd(), path, options, sharing) {
                Ok(device) => return Ok(device),
                Err(error) => error,
            };
            let limit = match (error.raw_errno(), error.kind()) {
                (Some(Errno::AGAIN), _) => LOCK_TIME,
                // Another program took the free device first, or removed it.
                (Some(Errno::BUSY | Errno::NXIO), _) => RETRY_TIME,
                // The device's node in /dev may appear a moment later; in a container it never
                // does.
                (Some(Errno::NOENT), _) => RETRY_TIME / 20,
                (None, ErrorKind::DeviceInUse) => FREE_TIME,
                _ => Duration::ZERO,
            };
            if start.elapsed() >= limit {
                return Err(error);
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Returns the device that [`share_or_attach`](Self::share_or_attach) would share, if any.
    /// Fails if the file or the control device cannot be opened, or if another device of the file
    /// conflicts.
    pub(crate) fn predict(
        dir: BorrowedFd<'_>,
        path: &Path,
        options: &LoopOptions,
        sharing: Sharing,
    ) -> Result<Option<Self>> {
        let file = open_file(dir, path, options)?;
        open_control()?;
        Self::shared(file.as_fd(), path, options, sharing)
    }

    /// Reports whether the device existed before. A shared device is not freed.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Predicts the `EBUSY` of mounting the device and explains it. Returns `None` if the mount
    /// would succeed or no mount of the device is in this namespace.
    pub(crate) fn refusal(&self, busy: &Error, fstype: &OsStr, read_only: bool) -> Option<Error> {
        explain_busy(busy, self.fd.as_fd(), &self.path, fstype, read_only).filter(|_| self.is_shared)
    }

    /// Explains the `EBUSY` of mounting the device by its other users. A mount that is not found is
    /// in another namespace, or detached in the set that is being built.
    pub(crate) fn explain_busy(&self, error: Error, fstype: &OsStr, read_only: bool) -> Error {
        if !self.is_shared {
            return error;
        }
        self.refusal(&error, fstype, read_only).unwrap_or_else(|| {
            let device = escape(self.path.as_os_str().as_bytes());
            let reason = format!("the image is already in use by {device} with another type or access mode");
            error.with_kind(ErrorKind::DeviceInUse).with_reason(reason).with_hint(
                "mount the image with one type and one of `ro` and `rw` everywhere, also within one list",
            )
        })
    }

    /// Returns the path of the device, `/dev/loopN`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Frees the device: `LOOP_CLR_FD`. A mounted device is freed after its unmount. A
    /// [shared](Self::is_shared) device is only closed.
    ///
    /// # Errors
    /// The errno of the ioctl.
    pub fn detach(mut self) -> Result<()> {
        self.is_ours_to_free = false;
        if self.is_shared {
            return Ok(());
        }
        retry_on_intr(|| clear_fd(self.fd.as_fd())).map_err(|e| {
            Error::sys(Operation::FreeLoopDevice, Syscall::IoctlLoopClrFd, e).with_argument(&self.path)
        })
    }

    /// Leaves the device set up. With `autoclear` the kernel still frees it after the last close.
    pub fn keep(mut self) {
        self.is_ours_to_free = false;
    }

    fn shared(
        file: BorrowedFd<'_>,
        backing: &Path,
        options: &LoopOptions,
        sharing: Sharing,
    ) -> Result<Option<Self>> {
        let found = find_shared(file, backing, options, sharing)?;
        Ok(found.map(|(fd, path)| Self { fd, path, is_ours_to_free: false, is_shared: true }))
    }

    fn try_once(
        control: BorrowedFd<'_>,
        file: BorrowedFd<'_>,
        backing: &Path,
        options: &LoopOptions,
        sharing: Sharing,
    ) -> Result<Self> {
        let _lock = SetupLock::take(control)?;
        if let Some(device) = Self::shared(file, backing, options, sharing)? {
            return Ok(device);
        }
        let number = retry_on_intr(|| get_free(control))
            .map_err(|e| Error::sys(Operation::FindFreeLoopDevice, Syscall::IoctlLoopCtlGetFree, e))?;
        let path = PathBuf::from(format!("/dev/loop{number}"));
        let fd = open(&path, options.access()).map_err(|errno| {
            let error = Error::sys(Operation::OpenLoopDevice, Syscall::Openat, errno).with_argument(&path);
            match errno {
                Errno::NOENT => error
                    .with_reason("the device exists, but /dev has no node for it")
                    .with_hint("in a container, add the host's /dev/loop* devices or mount a devtmpfs"),
                _ => with_root_hint(error),
            }
        })?;
        let mut device = Self { fd, path, is_ours_to_free: false, is_shared: false };
        let (size, info) = (options.sector_size.unwrap_or(0), info(backing, options));
        retry_on_intr(|| configure(device.fd.as_fd(), file, size, &info))
            .map_err(|errno| device.error(Syscall::IoctlLoopConfigure, errno, options))?;
        device.is_ours_to_free = !options.autoclear;
        device.checked(options, backing)
    }

    /// Verifies direct I/O: the kernel falls back to the page cache silently.
    fn checked(self, options: &LoopOptions, file: &Path) -> Result<Self> {
        if !options.direct_io {
            return Ok(self);
        }
        let status = retry_on_intr(|| get_status(self.fd.as_fd()))
            .map_err(|e| self.error(Syscall::IoctlLoopGetStatus64, e, options))?;
        if status.flags & LO_FLAGS_DIRECT_IO != 0 {
            return Ok(self);
        }
        let reason = "the image's file system does not support direct I/O with this offset and sector size";
        Err(Error::new(ErrorKind::Unsupported, Operation::SetUpLoopDevice, reason)
            .with_argument(file)
            .with_hint("remove the option `direct-io`, or add `sector-size=4096`"))
    }

    fn error(&self, call: Syscall, errno: Errno, options: &LoopOptions) -> Error {
        let error = Error::sys(Operation::SetUpLoopDevice, call, errno).with_argument(&self.path);
        match (errno, options.sector_size) {
            (Errno::INVAL, Some(size)) => error.with_kind(ErrorKind::OptionValue).with_reason(format!(
                "the kernel does not support loop devices with a sector size of {size} \
                                      bytes"
            )),
            (Errno::PERM | Errno::ACCESS, _) => {
                error.with_hint("loop devices require CAP_SYS_ADMIN in the initial user namespace")
            }
            _ => error,
        }
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        if self.is_ours_to_free {
            let _ = retry_on_intr(|| clear_fd(self.fd.as_fd()));
        }
    }
}

impl AsFd for LoopDevice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn info(backing: &Path, options: &LoopOptions) -> LoopInfo {
    let mut info = LoopInfo::default();
    (info.offset, info.size_limit) = (options.offset, options.size_limit);
    for (wanted, flag) in [
        (options.read_only, LO_FLAGS_READ_ONLY),
        (options.autoclear, LO_FLAGS_AUTOCLEAR),
        (options.direct_io, LO_FLAGS_DIRECT_IO),
    ] {
        info.flags |= if wanted { flag } else { 0 };
    }
    // The name that losetup(8) shows; the kernel truncates it too.
    for (to, from) in info.file_name[..LO_NAME_SIZE - 1].iter_mut().zip(backing.as_os_str().as_bytes()) {
        *to = *from;
    }
    info
}

fn open_control() -> Result<OwnedFd> {
    open(CONTROL, OFlags::RDWR).map_err(|errno| {
        let error = Error::sys(Operation::OpenLoopControl, Syscall::Openat, errno).with_argument(CONTROL);
        match errno {
            Errno::NOENT | Errno::NODEV | Errno::NXIO => {
                error.with_reason("loop devices are not available").with_hint(
                    "run `modprobe loop`; in a container, add the devices /dev/loop-control and \
                            /dev/loop*",
                )
            }
            _ => with_root_hint(error),
        }
    })
}

fn with_root_hint(error: Error) -> Error {
    match error.raw_errno() {
        Some(Errno::ACCESS | Errno::PERM) => error.with_hint(
            "loop devices require root on the host; without it, mount the image with FUSE (fuse2fs, squashfuse, \
             erofsfuse)",
        ),
        _ => error,
    }
}

/// Opens the image, a regular file or a block device, with the device's access mode.
fn open_file(dir: BorrowedFd<'_>, path: &Path, options: &LoopOptions) -> Result<OwnedFd> {
    let flags = OFlags::CLOEXEC | OFlags::NONBLOCK;
    let open = |access| retry_on_intr(|| rustix::fs::openat(dir, path, access | flags, Mode::empty()));
    let file = open(options.access()).map_err(|errno| {
        let error = Error::sys(Operation::OpenImage, Syscall::Openat, errno).with_argument(path);
        match errno {
            Errno::ISDIR => error.with_reason(
                "is a directory: a loop device needs a regular file or block \
                                               device",
            ),
            Errno::ROFS | Errno::ACCESS | Errno::PERM | Errno::TXTBSY if !options.read_only => {
                match open(OFlags::RDONLY).map(|_| open_control()) {
                    Ok(Ok(_)) if matches!(errno, Errno::ROFS | Errno::ACCESS) => write_protected(error),
                    Ok(Ok(_)) => error.with_hint("it is not writable: mount it with `ro`"),
                    // The next step would fail even read-only.
                    Ok(Err(control)) => control,
                    Err(_) => error,
                }
            }
            _ => error,
        }
    })?;
    let stat = rustix::fs::fstat(&file)
        .map_err(|e| Error::sys(Operation::LookAtImage, Syscall::Fstat, e).with_argument(path))?;
    let refused =
        |kind, reason: String| Err(Error::new(kind, Operation::OpenImage, reason).with_argument(path));
    let kind = FileType::from_raw_mode(stat.st_mode);
    if !matches!(kind, FileType::RegularFile | FileType::BlockDevice) {
        let reason = "is not a regular file or block device, which a loop device needs";
        return refused(ErrorKind::OptionConflict, reason.to_owned());
    }
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    if kind == FileType::RegularFile && options.offset > 0 && options.offset >= size {
        let reason = format!("offset {} is beyond the end of the file ({size} bytes)", options.offset);
        return refused(ErrorKind::OptionValue, reason);
    }
    // The device must not keep alive the detached tree that holds the file.
    let own = apart_from_tree(file.as_fd()).and_then(|mount| {
        let name = descriptor_name(mount.root()).ok()?;
        rustix::fs::openat(CWD, name, options.access() | flags, Mode::empty()).ok()
    });
    Ok(own.unwrap_or(file))
}
