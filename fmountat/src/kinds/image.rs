// SPDX-License-Identifier: Apache-2.0 OR MIT
//! File systems on block devices and in image files: straight from the file where the kernel can, else by a loop device.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall, escape};
use crate::kinds::device_path::{DevicePath, write_protected};
use crate::kinds::filesystem::Word;
use crate::kinds::loop_options::{LoopOptions, Sharing};
use crate::kinds::loopdev::LoopDevice;
use crate::kinds::magic;
use crate::sys::block::is_write_protected;
use crate::trace;
use crate::vfs::target::Target;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The operation in events.
const MOUNT_IMAGE: &str = "mount an image file";

/// What a file system is mounted from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    /// Where relative paths start.
    pub(crate) dir: BorrowedFd<'a>,
    pub(crate) path: &'a Path,
    /// `loop` and its like, if asked for.
    pub(crate) loop_device: Option<LoopOptions>,
    pub(crate) read_only: bool,
}

/// What the kernel is told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'a> {
    pub(crate) fstype: &'a OsStr,
    pub(crate) path: &'a Path,
    pub(crate) words: &'a [Word],
    /// It can't be written to whatever is asked: without `ro` the kernel would want to write to its device.
    pub(crate) is_read_only: bool,
}

impl<'a> Told<'a> {
    fn new(fstype: &'a OsStr, path: &'a Path, words: &'a [Word]) -> Self {
        Self { fstype, path, words, is_read_only: is_read_only(fstype) }
    }
}

fn is_list(fstype: &OsStr) -> bool {
    fstype.as_bytes().contains(&b',')
}

fn is_among(found: &str, fstype: &OsStr) -> bool {
    let mut listed = fstype.as_bytes().split(|byte| *byte == b',');
    fstype == "auto"
        || listed.any(|name| std::str::from_utf8(name).is_ok_and(|name| magic::is_same(name, found)))
}

/// Whether the driver can't write: mounted so, unasked.
pub(crate) fn is_read_only(fstype: &OsStr) -> bool {
    ["erofs", "squashfs", "cramfs", "iso9660", "romfs"].iter().any(|name| fstype == *name)
}

/// A source that was looked at.
#[derive(Debug)]
pub(crate) struct Looked<'n> {
    /// The file system's type, found out for `auto`.
    pub(crate) name: &'n OsStr,
    /// `None` for a file system that needs no device.
    pub(crate) device: Option<OnDevice>,
}

/// A block device or an image file.
#[derive(Debug)]
pub(crate) struct OnDevice {
    pub(crate) source: Target,
    pub(crate) kind: FileType,
    /// What its bytes say.
    found: Result<Option<&'static str>>,
}

impl OnDevice {
    /// The error that the kernel's refusal of these bytes would become, if they are not what was asked for.
    pub(crate) fn wrong(&self, name: &OsStr) -> Option<Error> {
        let refused = Error::sys(Operation::Create, Syscall::Fsconfig, Errno::INVAL).with_argument(name);
        let explained = explain(refused, name, self.found.clone().ok()?);
        (explained.kind() == ErrorKind::WrongFilesystem || matches!(self.found, Ok(None)))
            .then_some(explained)
    }
}

impl Source<'_> {
    /// What the source is, and what is on it. Nothing is changed.
    pub(crate) fn look<'n>(&self, fstype: &'n OsStr) -> Result<Looked<'n>> {
        let is_choice = fstype == "auto" || is_list(fstype);
        let takes_device = is_choice || takes_device(fstype.as_bytes()).unwrap_or_else(|| self.is_one());
        if !takes_device {
            return match self.loop_device {
                None => Ok(Looked { name: fstype, device: None }),
                Some(_) => {
                    let reason =
                        "it is made without a device: there is nothing for `loop` and its like to do";
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
            let reason = "the file system needs a block device or an image file, and this is neither";
            return Err(Error::new(ErrorKind::NotADevice, Operation::OpenDevice, reason)
                .with_argument(self.path)
                .with_hint("to show a directory or file at another place, use the option `bind`"));
        }
        let offset = self.loop_device.map_or(0, |options| options.offset);
        let found = self.probe(offset);
        let name = match (is_choice, &found) {
            (false, _) => fstype,
            (true, Ok(Some(name))) if is_among(name, fstype) => OsStr::new(*name),
            (true, Ok(Some(name))) => {
                let reason = format!("it holds {name}, which is not among them");
                let error = Error::new(ErrorKind::WrongFilesystem, Operation::FindFilesystemType, reason);
                return Err(error.with_argument(fstype).with_hint(format!("mount it with -t {name}")));
            }
            (true, Err(error)) => return Err(error.clone()),
            (true, Ok(None)) => {
                let reason = "no file system that is known here was found on it";
                let error = Error::new(ErrorKind::UnknownFilesystem, Operation::FindFilesystemType, reason);
                return Err(error.with_argument(self.path).with_hint("name it with -t"));
            }
        };
        Ok(Looked { name, device: Some(OnDevice { source, kind, found }) })
    }

    /// Calls `mount` with what the kernel is to be told. What the path leads to is there until `mount` has returned; a mounted file system keeps its device itself.
    ///
    /// `auto` for a name means: what the image or device holds; `ext4,xfs`: if it is one of these.
    pub(crate) fn mount<T>(
        &self,
        fstype: &OsStr,
        words: &[Word],
        mount: impl Fn(&Told<'_>) -> Result<T>,
    ) -> Result<T> {
        let Looked { name, device } = self.look(fstype)?;
        let Some(OnDevice { source, kind, found }) = device else {
            return mount(&Told::new(name, self.path, words));
        };
        self.mount_as(name, &source, kind, words, mount).map_err(|error| {
            if !is_about_whole(&error) {
                return error;
            }
            let is_protected = self.is_write_protected(&error);
            let error = unopened(self.name_source(error, name));
            match found {
                _ if is_protected => write_protected(error),
                Ok(found) => explain(error, name, found),
                Err(_) => error,
            }
        })
    }

    fn mount_as<T>(
        &self,
        fstype: &OsStr,
        source: &Target,
        kind: FileType,
        words: &[Word],
        mount: impl Fn(&Told<'_>) -> Result<T>,
    ) -> Result<T> {
        match (kind, self.loop_device) {
            (FileType::BlockDevice, None) => {
                mount(&Told::new(fstype, DevicePath::of(source)?.as_path(), words))
            }
            (FileType::RegularFile, None) if fstype == "erofs" => {
                let image = DevicePath::of(source)?;
                let (words_told, _devices) = self.real_devices(words)?;
                match mount(&Told::new(fstype, image.as_path(), &words_told)) {
                    // The file lies where the kernel can't read it page by page, on a tmpfs for instance.
                    Err(error) if error.raw_errno() == Some(Errno::NOTBLK) => {
                        trace::fallback(MOUNT_IMAGE, "the file itself", error.raw_errno());
                        self.by_loop(fstype, LoopOptions::default(), words, mount)
                    }
                    done => {
                        trace::strategy(MOUNT_IMAGE, "the file itself");
                        done
                    }
                }
            }
            (_, options) => self.by_loop(fstype, options.unwrap_or_default(), words, mount),
        }
    }

    /// The way to the kernel, and the error that would come on it.
    pub(crate) fn rehearse(&self, name: &OsStr, device: &OnDevice) -> Result<&'static str> {
        match (device.kind, self.loop_device) {
            (FileType::BlockDevice, None) => Ok("from the device"),
            (FileType::RegularFile, None) if name == "erofs" => Ok("straight from the file"),
            (_, options) => {
                let read_only = self.read_only || is_read_only(name);
                let options = LoopOptions { read_only, ..options.unwrap_or_default() };
                let shared = LoopDevice::rehearse(self.dir, self.path, &options, sharing(name))?;
                match shared.and_then(|device| device.refusal(name, read_only)) {
                    Some(refusal) => {
                        let error = Error::sys(Operation::Create, Syscall::Fsconfig, Errno::BUSY);
                        Err(self.name_source(refusal.explain(error), name))
                    }
                    None => Ok("by a loop device"),
                }
            }
        }
    }

    fn by_loop<T>(
        &self,
        fstype: &OsStr,
        options: LoopOptions,
        words: &[Word],
        mount: impl Fn(&Told<'_>) -> Result<T>,
    ) -> Result<T> {
        trace::strategy(MOUNT_IMAGE, "loop device");
        let options = LoopOptions { read_only: self.read_only || is_read_only(fstype), ..options };
        let device = LoopDevice::share_or_attach(self.dir, self.path, &options, sharing(fstype))?;
        let mut further = Vec::new();
        let mut told = words.to_vec();
        for (word, path) in device_words(fstype, &mut told) {
            let options = LoopOptions { read_only: true, ..LoopOptions::default() };
            let device = LoopDevice::share_or_attach(self.dir, &path, &options, Sharing::WritableOnly)?;
            word.value = Some(device.path().into());
            further.push(device);
        }
        mount(&Told::new(fstype, device.path(), &told)).map_err(|error| {
            let is_busy = error.raw_errno() == Some(Errno::BUSY) && is_about_whole(&error);
            if is_busy { device.explain_busy(error, fstype, options.read_only) } else { error }
        })
    }

    /// The words, with further images by paths that serve while the second value is there.
    fn real_devices(&self, words: &[Word]) -> Result<(Vec<Word>, Vec<DevicePath>)> {
        let (mut told, mut devices) = (words.to_vec(), Vec::new());
        for (word, path) in device_words(OsStr::new("erofs"), &mut told) {
            let image = Target::open(self.dir, &path).map_err(|e| e.with_operation(Operation::OpenDevice))?;
            let device = DevicePath::of(&image)?;
            word.value = Some(device.as_path().into());
            devices.push(device);
        }
        Ok((told, devices))
    }

    /// What the bytes at `offset` say.
    fn probe(&self, offset: u64) -> Result<Option<&'static str>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let opened = retry_on_intr(|| rustix::fs::openat(self.dir, self.path, flags, Mode::empty()));
        let file = opened
            .map_err(|e| Error::sys(Operation::ReadImage, Syscall::Openat, e).with_argument(self.path))?;
        Ok(magic::probe(&file, offset))
    }

    /// A failure of the file system as a whole, with what it was to be made of.
    fn name_source(&self, error: Error, fstype: &OsStr) -> Error {
        let is_silent = error.kernel().is_empty() && error.hint().is_none();
        let error = error.with_filesystem(fstype).with_argument(self.path);
        // What ext4, xfs, erofs and others say of an image goes there only.
        if is_silent { error.with_hint("the kernel's log may say more: see dmesg") } else { error }
    }

    /// Whether the failure is that of a block device without `ro` that can't be written to.
    fn is_write_protected(&self, error: &Error) -> bool {
        let is_refusal = matches!(error.raw_errno(), Some(Errno::ACCESS | Errno::ROFS));
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        is_refusal
            && !self.read_only
            && rustix::fs::openat(self.dir, self.path, flags, Mode::empty())
                .is_ok_and(|device| is_write_protected(device.as_fd()).unwrap_or(false))
    }

    /// Whether the source is a block device or a file, as far as can be seen.
    fn is_one(&self) -> bool {
        let stat = rustix::fs::statat(self.dir, self.path, rustix::fs::AtFlags::empty());
        let kind = stat.map(|stat| FileType::from_raw_mode(stat.st_mode));
        matches!(kind, Ok(FileType::RegularFile | FileType::BlockDevice))
    }

    fn open_error(&self, error: Error) -> Error {
        let error = error.with_operation(Operation::OpenDevice);
        let text = self.path.as_os_str().as_bytes();
        let by_tag = [(&b"UUID="[..], "by-uuid"), (b"LABEL=", "by-label")].into_iter();
        match by_tag.into_iter().find(|(tag, _)| text.starts_with(tag)) {
            Some((_, directory)) => {
                error.with_hint(format!("give the device's path: see /dev/disk/{directory}"))
            }
            None => error,
        }
    }
}

/// Which loop devices of its image a file system shares.
fn sharing(fstype: &OsStr) -> Sharing {
    if is_read_only(fstype) { Sharing::WritableOnly } else { Sharing::AnyMode }
}

/// The `device=` words of erofs, with their paths.
fn device_words<'w>(fstype: &OsStr, words: &'w mut [Word]) -> impl Iterator<Item = (&'w mut Word, PathBuf)> {
    let is_erofs = fstype == "erofs";
    words.iter_mut().filter_map(move |word| {
        let path = word.value.as_ref().filter(|_| is_erofs && word.key == *"device")?;
        let path = PathBuf::from(path);
        Some((word, path))
    })
}

/// Whether it is a failure to make the file system, and not of one of its words.
fn is_about_whole(error: &Error) -> bool {
    matches!(error.call(), Some(Syscall::Fsconfig | Syscall::Mount))
        && matches!(error.operation(), Operation::Create | Operation::Mount)
}

/// A failure, with what was found on the device where that is something else than was said.
fn explain(error: Error, fstype: &OsStr, found: Option<&'static str>) -> Error {
    let is_about_content = matches!(error.raw_errno(), Some(Errno::INVAL | Errno::UCLEAN | Errno::IO));
    match found {
        Some(found)
            if is_about_content && !fstype.to_str().is_some_and(|name| magic::is_same(name, found)) =>
        {
            let said = OsString::from(fstype).to_string_lossy().into_owned();
            error
                .with_kind(ErrorKind::WrongFilesystem)
                .with_reason(format!("it holds {found}, and {} was asked for", escape(said.as_bytes())))
                .with_hint(format!("mount it with -t {found}"))
        }
        None if is_about_content => error.with_hint("no file system that is known here was found on it"),
        Some(found) if is_about_content && is_of_create(&error) => {
            let name = crate::error::escape(fstype.as_bytes());
            let hint = match fstype == found {
                true => format!(
                    "damaged, cut short, or of a newer kernel: try fsck.{found}; the kernel's log (dmesg) says more"
                ),
                false => format!(
                    "it may have what only {found} has: mount it with -t {found}; else try fsck.{found}"
                ),
            };
            let reason = format!("it begins as {found} does, and the kernel can't mount the rest as {name}");
            error.with_kind(ErrorKind::Damaged).with_reason(reason).with_hint(hint)
        }
        _ => error,
    }
}

/// A device that the kernel does not open for the file system: it says so in its log alone.
fn unopened(error: Error) -> Error {
    let is_closed = error.kernel().iter().any(|line| line.contains("Can't open blockdev"));
    match error.raw_errno() {
        Some(Errno::PERM | Errno::BUSY) if is_closed && error.kind() != ErrorKind::DeviceInUse => error
            .with_kind(ErrorKind::DeviceInUse)
            .with_reason(
                "the kernel can't have the block device for itself: it is in use, or a policy forbids it",
            )
            .with_hint("see what uses it: lsblk(8), or `fmountat list -o TARGET,SOURCE`"),
        _ => error,
    }
}

/// Whether the content was refused, and not a word: mount(2) takes both at once.
fn is_of_create(error: &Error) -> bool {
    error.kind() == ErrorKind::System && error.call() == Some(Syscall::Fsconfig) && !error.has_reason()
}

/// Whether the file system's source is a device: its line in /proc/filesystems has no `nodev`. `None` for one that has no
/// line, since its module may be loaded later, or where there is no such file.
fn takes_device(fstype: &[u8]) -> Option<bool> {
    // The kernel's own, which every container has: to read that file takes longer than to mount one of them.
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
