// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Options for setting up a loop device, and rules for sharing existing devices.

use rustix::fs::OFlags;

/// The options for setting up a loop device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoopOptions {
    /// The offset of the device within the file, in bytes.
    pub offset: u64,
    /// The size of the device in bytes; 0 for the rest of the file.
    pub size_limit: u64,
    /// The logical sector size in bytes; `None` for the kernel's default.
    pub sector_size: Option<u32>,
    /// Opens the file read-only; the device refuses writes.
    pub read_only: bool,
    /// Uses direct I/O on the file and bypasses its page cache.
    pub direct_io: bool,
    /// The kernel frees the device after the last close and unmount. Otherwise
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
    /// Sets the offset in bytes.
    #[must_use]
    pub fn offset(self, offset: u64) -> Self {
        Self { offset, ..self }
    }

    /// Sets the size limit in bytes; 0 for the rest of the file.
    #[must_use]
    pub fn size_limit(self, size_limit: u64) -> Self {
        Self { size_limit, ..self }
    }

    /// Sets the logical sector size in bytes.
    #[must_use]
    pub fn sector_size(self, bytes: u32) -> Self {
        Self { sector_size: Some(bytes), ..self }
    }

    /// Sets whether the device is read-only.
    #[must_use]
    pub fn read_only(self, read_only: bool) -> Self {
        Self { read_only, ..self }
    }

    /// Sets whether the device uses direct I/O.
    #[must_use]
    pub fn direct_io(self, direct_io: bool) -> Self {
        Self { direct_io, ..self }
    }

    /// Sets whether the kernel frees the device after its last user.
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
