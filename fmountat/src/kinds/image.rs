// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mounts file systems from block devices and image files, these by a loop device if needed.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::kinds::device_path::{DevicePath, write_protected};
use crate::kinds::filesystem::{FsOption, configured};
use crate::kinds::image_error::{blame_option, device_number, explain, kernel_name, unopened};
use crate::kinds::kept_options::machine_wide_options;
use crate::kinds::loop_options::{LoopOptions, Sharing};
use crate::kinds::loopdev::LoopDevice;
use crate::kinds::magic;
use crate::sys::block::is_write_protected;
use crate::trace;
use crate::vfs::attr::{Attr, MountAttr};
use crate::vfs::kernel_log::KernelLog;
use crate::vfs::target::Target;
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The operation as trace events name it.
const MOUNT_IMAGE: &str = "mount an image file";

/// The source of a file system, and its options.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    /// The directory that relative paths are resolved from.
    pub(crate) dir: BorrowedFd<'a>,
    pub(crate) path: &'a Path,
    /// `loop` and the options that imply it.
    pub(crate) loop_device: Option<LoopOptions>,
    /// The superblock flags (`ro`, ...).
    pub(crate) flags: Vec<&'static str>,
    /// Whether the option `rw` was given.
    pub(crate) asks_to_write: bool,
    /// The file system's own options.
    pub(crate) options: &'a [FsOption],
    pub(crate) attr: MountAttr,
}

/// Reports whether the driver cannot write, so that it mounts read-only without `ro`.
pub(crate) fn is_read_only(fstype: &OsStr) -> bool {
    ["erofs", "squashfs", "cramfs", "iso9660", "romfs"].iter().any(|name| fstype == *name)
}

/// A source that was inspected.
#[derive(Debug)]
pub(crate) struct Inspected<'n> {
    /// The file system type, detected for `auto` and lists.
    pub(crate) name: &'n OsStr,
    /// `None` for a file system that needs no device.
    pub(crate) device: Option<OnDevice>,
}

/// A block device or an image file.
#[derive(Debug)]
pub(crate) struct OnDevice {
    pub(crate) source: Target,
    pub(crate) kind: FileType,
    /// The file system that was detected on it.
    found: Result<Option<&'static str>>,
}

impl OnDevice {
    /// Returns the error of mounting it as `name`, unless it holds that file system.
    pub(crate) fn wrong(&self, name: &OsStr) -> Option<Error> {
        let refused = Error::sys(Operation::Create, Syscall::Fsconfig, Errno::INVAL).with_argument(name);
        let explained = explain(refused, name, self.found.clone().ok()?, &[]);
        (explained.kind() == ErrorKind::WrongFilesystem || matches!(self.found, Ok(None)))
            .then_some(explained)
    }
}

impl Source<'_> {
    pub(crate) fn is_read_only(&self) -> bool {
        self.flags.contains(&"ro")
    }

    /// Detects the kind of the source and the file system on it. `fstype` may be `auto` or a list
    /// like `ext4,xfs`.
    pub(crate) fn inspect<'n>(&self, fstype: &'n OsStr) -> Result<Inspected<'n>> {
        let is_choice = is_choice(fstype);
        let takes_device = is_choice || takes_device(fstype.as_bytes()).unwrap_or_else(|| self.is_device());
        if !takes_device {
            return match self.loop_device {
                None => Ok(Inspected { name: fstype, device: None }),
                Some(_) => {
                    let reason = "this file system has no backing device, so loop, offset and sizelimit have no effect";
                    Err(Error::new(ErrorKind::OptionConflict, Operation::ReadOptionLoop, reason)
                        .with_argument(fstype))
                }
            };
        }
        let source = Target::open(self.dir, self.path).map_err(|e| self.open_error(e))?;
        let stat =
            rustix::fs::fstat(&source).map_err(|e| Error::sys(Operation::LookAtSource, Syscall::Fstat, e))?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if !matches!(kind, FileType::RegularFile | FileType::BlockDevice) {
            let reason = "is not a block device or image file, which this file system requires";
            return Err(Error::new(ErrorKind::NotADevice, Operation::OpenDevice, reason)
                .with_argument(self.path)
                .with_hint("to mount a directory or file elsewhere, use the option `bind`"));
        }
        let offset = self.loop_device.map_or(0, |options| options.offset);
        let found = match retry_on_intr(|| self.open()) {
            Ok(file) => Ok(magic::probe(&file, offset)),
            Err(errno) => {
                Err(Error::sys(Operation::ReadImage, Syscall::Openat, errno).with_argument(self.path))
            }
        };
        let error = |kind, reason| Error::new(kind, Operation::FindFilesystemType, reason);
        let name = match &found {
            _ if !is_choice => fstype,
            Ok(Some(name)) if is_among(name, fstype) => OsStr::new(*name),
            Ok(Some(name)) => {
                let reason = format!("the source contains {name}, which is not in this list");
                let error = error(ErrorKind::WrongFilesystem, reason).with_argument(fstype);
                return Err(error.with_hint(format!("mount it with -t {name}")));
            }
            Ok(None) => {
                let reason = "no known file system found".to_owned();
                let error = error(ErrorKind::UnknownFilesystem, reason).with_argument(self.path);
                return Err(error.with_hint("name the type with -t TYPE"));
            }
            Err(error) => return Err(error.clone()),
        };
        if is_choice && self.asks_to_write && is_read_only(name) {
            let reason = format!(
                "has no effect: the source contains {}, which is always read-only",
                name.to_string_lossy()
            );
            let error = Error::new(ErrorKind::OptionConflict, Operation::ReadOption, reason);
            return Err(error.with_argument("rw"));
        }
        Ok(Inspected { name, device: Some(OnDevice { source, kind, found }) })
    }

    /// Mounts it, detached, as `fstype`, which may be `auto` or a list like `ext4,xfs`.
    pub(crate) fn mount(&self, fstype: &OsStr) -> Result<Tree> {
        let Inspected { name, device } = self.inspect(fstype)?;
        let Some(OnDevice { source, kind, found }) = device else {
            return self.create(name, self.path, self.options);
        };
        let mounted = match (kind, self.loop_device) {
            (FileType::BlockDevice, None) => {
                self.create(name, DevicePath::of(&source)?.as_path(), self.options)
            }
            (FileType::RegularFile, None) if name == "erofs" => self.mount_from_file(name, &source),
            (_, options) => self.mount_by_loop(name, options.unwrap_or_default()),
        };
        mounted.map_err(|error| {
            if !is_about_whole(&error) {
                return error;
            }
            if let Some(error) = blame_option(&error, self.path, self.options) {
                return error;
            }
            let is_protected = self.is_write_protected(&error);
            let error = unopened(self.name_source(error, name));
            match found {
                _ if is_protected => write_protected(error),
                Ok(found) => explain(error, name, found, self.options),
                Err(_) => error,
            }
        })
    }

    /// Predicts the strategy of [`mount`](Self::mount), or its error.
    pub(crate) fn predict(&self, name: &OsStr, device: &OnDevice) -> Result<&'static str> {
        let options = match (device.kind, self.loop_device) {
            (FileType::BlockDevice, None) => return Ok("from the device"),
            (FileType::RegularFile, None) if name == "erofs" => return Ok("straight from the file"),
            (_, options) => self.loop_options(name, options.unwrap_or_default()),
        };
        let shared = LoopDevice::predict(self.dir, self.path, &options, sharing(name))?;
        let busy = Error::sys(Operation::Create, Syscall::Fsconfig, Errno::BUSY);
        match shared.and_then(|device| device.refusal(&busy, name, options.read_only)) {
            Some(error) => Err(self.name_source(error, name)),
            None => Ok("by a loop device"),
        }
    }

    /// Creates the file system on `device`.
    fn create(&self, fstype: &OsStr, device: &Path, options: &[FsOption]) -> Result<Tree> {
        let (mut flags, mut attr) = (self.flags.clone(), self.attr);
        if is_read_only(fstype) {
            // Without `ro` the kernel opens the device for writing. mount(2) sets RDONLY too.
            flags.extend(Some("ro").filter(|_| !self.is_read_only()));
            attr.set |= Attr::RDONLY;
        }
        let kept = machine_wide_options(fstype, options);
        let options = kept.iter().chain(options);
        let number = device_number(device);
        let log = number.and_then(|_| KernelLog::from_now());
        let created = configured(fstype, device.as_os_str(), &flags, options)?.create();
        let created = created.map_err(|error| match (number.and_then(kernel_name), log) {
            (Some(name), Some(log)) if error.kernel().is_empty() => error.with_kernel_log(log.about(&name)),
            _ => error,
        });
        created?.mount(&attr)
    }

    /// Mounts an erofs directly from its file, else by a loop device.
    fn mount_from_file(&self, fstype: &OsStr, source: &Target) -> Result<Tree> {
        let image = DevicePath::of(source)?;
        let (options, _paths) = self.with_device_paths(fstype, |path| {
            let image = Target::open(self.dir, path).map_err(|e| e.with_operation(Operation::OpenDevice))?;
            let path = DevicePath::of(&image)?;
            Ok((path.as_path().to_owned(), path))
        })?;
        match self.create(fstype, image.as_path(), &options) {
            // erofs cannot read files of this file system directly: a tmpfs, for example.
            Err(error) if error.raw_errno() == Some(Errno::NOTBLK) => {
                trace::fallback(MOUNT_IMAGE, "the file itself", error.raw_errno());
                self.mount_by_loop(fstype, LoopOptions::default())
            }
            done => {
                trace::strategy(MOUNT_IMAGE, "the file itself");
                done
            }
        }
    }

    fn mount_by_loop(&self, fstype: &OsStr, options: LoopOptions) -> Result<Tree> {
        trace::strategy(MOUNT_IMAGE, "loop device");
        let options = self.loop_options(fstype, options);
        let device = LoopDevice::share_or_attach(self.dir, self.path, &options, sharing(fstype))?;
        let (fs_options, _devices) = self.with_device_paths(fstype, |path| {
            let options = LoopOptions { read_only: true, ..LoopOptions::default() };
            let device = LoopDevice::share_or_attach(self.dir, path, &options, Sharing::WritableOnly)?;
            Ok((device.path().to_owned(), device))
        })?;
        self.create(fstype, device.path(), &fs_options).map_err(|error| {
            let is_busy = error.raw_errno() == Some(Errno::BUSY) && is_about_whole(&error);
            if is_busy { device.explain_busy(error, fstype, options.read_only) } else { error }
        })
    }

    fn loop_options(&self, fstype: &OsStr, options: LoopOptions) -> LoopOptions {
        LoopOptions { read_only: self.is_read_only() || is_read_only(fstype), ..options }
    }

    /// Replaces the path of each additional erofs image (`device=`) by the one that `open` returns.
    /// Returns the options and the values that keep those paths valid.
    fn with_device_paths<D>(
        &self,
        fstype: &OsStr,
        open: impl Fn(&Path) -> Result<(PathBuf, D)>,
    ) -> Result<(Vec<FsOption>, Vec<D>)> {
        let (mut options, mut devices) = (self.options.to_vec(), Vec::new());
        for option in options.iter_mut().filter(|option| fstype == "erofs" && option.key == *"device") {
            if let Some(path) = &mut option.value {
                let (opened, device) = open(Path::new(path))?;
                *path = opened.into();
                devices.push(device);
            }
        }
        Ok((options, devices))
    }

    fn open(&self) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        rustix::fs::openat(self.dir, self.path, flags, Mode::empty())
    }

    /// Adds the source and the type to an error of the file system as a whole.
    fn name_source(&self, error: Error, fstype: &OsStr) -> Error {
        let is_silent = error.kernel().is_empty() && error.hint().is_none();
        let error = error.with_filesystem(fstype).with_argument(self.path);
        // ext4, xfs, erofs and others write the reason only to the kernel's log.
        if is_silent { error.with_hint("see the kernel's log: dmesg(1)") } else { error }
    }

    /// Reports whether the failure is that of a write-protected block device mounted without `ro`.
    fn is_write_protected(&self, error: &Error) -> bool {
        matches!(error.raw_errno(), Some(Errno::ACCESS | Errno::ROFS))
            && !self.is_read_only()
            && self.open().is_ok_and(|device| is_write_protected(device.as_fd()).unwrap_or(false))
    }

    /// Reports whether the source is a block device or a regular file; false if stat(2) fails.
    fn is_device(&self) -> bool {
        let stat = rustix::fs::statat(self.dir, self.path, AtFlags::empty());
        let kind = stat.map(|stat| FileType::from_raw_mode(stat.st_mode));
        matches!(kind, Ok(FileType::RegularFile | FileType::BlockDevice))
    }

    fn open_error(&self, error: Error) -> Error {
        let error = error.with_operation(Operation::OpenDevice);
        let text = self.path.as_os_str().as_bytes();
        let tags = [(&b"UUID="[..], "by-uuid"), (b"LABEL=", "by-label")];
        match tags.into_iter().find(|(tag, _)| text.starts_with(tag)) {
            Some((_, directory)) => {
                error.with_hint(format!("give the device's path, /dev/disk/{directory}/..."))
            }
            None => error,
        }
    }
}

/// Reports whether the type is to be found out: `auto`, a list, or `no` in front of a list or of a
/// type known here. `nosuchfs` is an unknown type.
fn is_choice(fstype: &OsStr) -> bool {
    let negated = fstype.to_str().and_then(|name| name.strip_prefix("no"));
    fstype == "auto" || fstype.as_bytes().contains(&b',') || negated.is_some_and(magic::is_known)
}

/// Reports whether `fstype`, which [`is_choice`], includes the file system `found`. `no` in front
/// negates the whole list: mount(8), `-t`.
fn is_among(found: &str, fstype: &OsStr) -> bool {
    let (list, is_wanted) = match fstype.as_bytes().strip_prefix(b"no") {
        Some(list) => (list, false),
        None => (fstype.as_bytes(), true),
    };
    let mut listed = list.split(|byte| *byte == b',');
    let is_listed =
        listed.any(|name| std::str::from_utf8(name).is_ok_and(|name| magic::is_same(name, found)));
    fstype == "auto" || is_listed == is_wanted
}

fn sharing(fstype: &OsStr) -> Sharing {
    if is_read_only(fstype) { Sharing::WritableOnly } else { Sharing::AnyMode }
}

/// Reports whether creating the file system failed, not setting one of its options.
fn is_about_whole(error: &Error) -> bool {
    matches!(error.call(), Some(Syscall::Fsconfig | Syscall::Mount))
        && matches!(error.operation(), Operation::Create | Operation::Mount)
}

/// Reports whether the file system needs a device: its line in /proc/filesystems lacks `nodev`.
/// Returns `None` without a line, since its module may be loaded later, and without that file.
pub(crate) fn takes_device(fstype: &[u8]) -> Option<bool> {
    // The types that every container mounts: reading the file takes longer than such a mount.
    const NEVER: [&[u8]; 7] = [b"proc", b"sysfs", b"tmpfs", b"devpts", b"mqueue", b"cgroup2", b"ramfs"];
    if NEVER.contains(&fstype) {
        return Some(false);
    }
    let known = std::fs::read("/proc/filesystems").ok()?;
    known.split(|b| *b == b'\n').find_map(|line| match line.strip_prefix(b"nodev\t") {
        Some(name) => (name == fstype).then_some(false),
        None => (line.strip_prefix(b"\t") == Some(fstype)).then_some(true),
    })
}
