// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Predicts conflicts of images and devices that several mounts of one list use: the first of them
//! is not mounted yet, so no table shows it.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::kinds::image::{Source, is_read_only};
use crate::vfs::target::Target;
use rustix::fs::FileType;
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};

/// The images and devices of the mounts so far.
#[derive(Debug, Default)]
pub(crate) struct Images(Vec<UsedImage>);

#[derive(Debug)]
struct UsedImage {
    /// The number of a device; of an image, its device and inode.
    file: (u64, Option<u64>),
    offset: u64,
    size_limit: u64,
    read_only: bool,
    fstype: OsString,
}

impl UsedImage {
    fn of(source: &Source<'_>, file: &Target, fstype: &OsStr) -> Option<Self> {
        let stat = rustix::fs::fstat(file).ok()?;
        let options = source.loop_device.unwrap_or_default();
        Some(Self {
            file: match FileType::from_raw_mode(stat.st_mode) {
                FileType::BlockDevice => (stat.st_rdev, None),
                _ => (stat.st_dev, Some(stat.st_ino)),
            },
            offset: options.offset,
            size_limit: options.size_limit,
            read_only: source.is_read_only() || is_read_only(fstype),
            fstype: fstype.to_owned(),
        })
    }

    /// Reports whether both have bytes of one file in common and cannot share them.
    fn excludes(&self, other: &Self) -> bool {
        let end = |image: &Self| match image.size_limit {
            0 => u64::MAX,
            limit => image.offset.saturating_add(limit),
        };
        let is_apart = self.offset >= end(other) || other.offset >= end(self);
        if self.file != other.file || is_apart {
            return false;
        }
        let is_same_range = (self.offset, self.size_limit) == (other.offset, other.size_limit);
        match is_same_range {
            // A type that cannot write has a device of its own.
            true if self.read_only && other.read_only => {
                self.fstype != other.fstype && !is_read_only(&self.fstype) && !is_read_only(&other.fstype)
            }
            true => self.read_only != other.read_only || self.fstype != other.fstype,
            false => !self.read_only || !other.read_only,
        }
    }
}

impl Images {
    /// Adds the source of a mount. Fails if an earlier mount of the list excludes it.
    pub(crate) fn add(&mut self, source: &Source<'_>, file: &Target, fstype: &OsStr) -> Result<()> {
        let Some(image) = UsedImage::of(source, file, fstype) else { return Ok(()) };
        if self.0.iter().any(|used| used.excludes(&image)) {
            let reason = "another mount of the list uses the image with another type, access mode or range";
            return Err(Error::sys(Operation::Create, Syscall::Fsconfig, Errno::BUSY)
                .with_kind(ErrorKind::DeviceInUse)
                .with_filesystem(fstype)
                .with_argument(source.path)
                .with_reason(reason)
                .with_hint(
                    "mount the image with one type and one of `ro` and `rw` everywhere, also within one list",
                ));
        }
        self.0.push(image);
        Ok(())
    }
}
