// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Device nodes and symbolic links of a root: config-linux.md, "Devices" and "Default Devices".

use crate::sys::procfs::DEV_LINKS;
use std::path::{Path, PathBuf};

/// A device node or FIFO in a root: OCI's `linux.devices`. In a user namespace, which does not
/// permit mknod(2) for devices, it is a read-only bind of the host's node of the same path.
///
/// ```
/// use fmountat::oci::{Device, DeviceKind};
/// let fuse = Device::new("/dev/fuse", DeviceKind::Char, 10, 229).mode(0o600);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Device {
    /// The path inside the root.
    pub path: PathBuf,
    /// The type of the node.
    pub kind: DeviceKind,
    /// The major number; 0 for a FIFO.
    pub major: u32,
    /// The minor number; 0 for a FIFO.
    pub minor: u32,
    /// The permission bits, independent of the umask. Default: 0o666.
    pub mode: u32,
    /// The user id of the owner.
    pub uid: u32,
    /// The group id.
    pub gid: u32,
}

/// The type of a device node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// A character device: `c`, `u`.
    Char,
    /// A block device: `b`.
    Block,
    /// A FIFO: `p`.
    Fifo,
}

impl Device {
    /// Returns a device with mode 0666, owned by root.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, kind: DeviceKind, major: u32, minor: u32) -> Self {
        Self { path: path.into(), kind, major, minor, mode: 0o666, uid: 0, gid: 0 }
    }

    /// Sets the permission bits.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Sets owner and group.
    #[must_use]
    pub fn owner(mut self, uid: u32, gid: u32) -> Self {
        (self.uid, self.gid) = (uid, gid);
        self
    }
}

/// A symbolic link in a root.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Link {
    /// The path inside the root.
    pub path: PathBuf,
    /// The target of the link, unresolved.
    pub text: PathBuf,
}

impl Link {
    /// Returns a symbolic link at `path` to `text`, which need not exist.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, text: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), text: text.into() }
    }
}

/// Returns the devices that every container has: config-linux.md, "Default Devices".
#[must_use]
pub fn standard_devices() -> Vec<Device> {
    let nodes =
        [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];
    let device =
        |(name, major, minor)| Device::new(Path::new("/dev").join(name), DeviceKind::Char, major, minor);
    nodes.map(device).into()
}

/// Returns the symbolic links in /dev that every container has: runtime-linux.md, "Dev symbolic
/// links", and `ptmx`.
#[must_use]
pub fn standard_links() -> Vec<Link> {
    let links = DEV_LINKS.into_iter().chain([("ptmx", "pts/ptmx")]);
    links.map(|(name, text)| Link::new(Path::new("/dev").join(name), text)).collect()
}
