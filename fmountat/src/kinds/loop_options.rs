// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a loop device is set up, and which existing devices may be shared.

use rustix::fs::OFlags;

/// How a loop device is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoopOptions {
    /// Where in the file it starts, in bytes.
    pub offset: u64,
    /// How many bytes of the file it shows; 0 for all.
    pub size_limit: u64,
    /// The logical sector size in bytes; the kernel's choice without it.
    pub sector_size: Option<u32>,
    /// The file is opened for reading only, and the device refuses writes.
    pub read_only: bool,
    /// Reads and writes the file by direct I/O, without its page cache.
    pub direct_io: bool,
    /// The kernel frees it when nobody has it open or mounted any more; else
    /// [`LoopDevice::detach`](crate::image::LoopDevice::detach) frees it.
    pub autoclear: bool,
}

impl Default for LoopOptions {
    fn default() -> Self {
        Self {
            offset: 0,
            size_limit: 0,
            sector_size: None,
            read_only: false,
            direct_io: false,
            autoclear: true,
        }
    }
}

impl LoopOptions {
    /// The same from this byte of the file on.
    #[must_use]
    pub fn offset(self, offset: u64) -> Self {
        Self { offset, ..self }
    }

    /// The same with this many bytes of the file; 0 for all.
    #[must_use]
    pub fn size_limit(self, size_limit: u64) -> Self {
        Self { size_limit, ..self }
    }

    /// The same with sectors of this many bytes.
    #[must_use]
    pub fn sector_size(self, bytes: u32) -> Self {
        Self { sector_size: Some(bytes), ..self }
    }

    /// The same read-only, or not.
    #[must_use]
    pub fn read_only(self, read_only: bool) -> Self {
        Self { read_only, ..self }
    }

    /// The same around the page cache, or not.
    #[must_use]
    pub fn direct_io(self, direct_io: bool) -> Self {
        Self { direct_io, ..self }
    }

    /// The same freed by the kernel with its last user, or not.
    #[must_use]
    pub fn autoclear(self, autoclear: bool) -> Self {
        Self { autoclear, ..self }
    }

    pub(crate) fn access(&self) -> OFlags {
        if self.read_only { OFlags::RDONLY } else { OFlags::RDWR }
    }
}

/// Which existing devices may be shared instead of setting up a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Devices of the same mode.
    SameMode,
    /// Writable devices for read-only mounts too, as mount(8) does.
    AnyMode,
    /// Writable devices only, for a file system that never writes.
    WritableOnly,
}
