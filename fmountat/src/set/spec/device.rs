// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Device nodes and symbolic links of a root: config-linux.md, "Devices" and "Default Devices".

use crate::sys::procfs::DEV_LINKS;
use std::path::{Path, PathBuf};

/// A device node or FIFO of a root: OCI's `linux.devices`. In a user namespace, where nobody may create nodes, it is a
/// read-only bind of the host's node of the same path.
///
/// ```
/// use fmountat::oci::{Device, DeviceKind};
/// let fuse = Device::new("/dev/fuse", DeviceKind::Char, 10, 229).mode(0o600);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Device {
    /// Where, inside the root.
    pub path: PathBuf,
    /// What it is.
    pub kind: DeviceKind,
    /// The major number; 0 for a FIFO.
    pub major: u32,
    /// The minor number; 0 for a FIFO.
    pub minor: u32,
    /// Permission bits, whatever the umask: 0o666 without this.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// The kind of a device.
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
    /// A device with mode 0666, of root.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, kind: DeviceKind, major: u32, minor: u32) -> Self {
        Self { path: path.into(), kind, major, minor, mode: 0o666, uid: 0, gid: 0 }
    }

    /// The same with these permission bits.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// The same with this owner and group.
    #[must_use]
    pub fn owner(mut self, uid: u32, gid: u32) -> Self {
        (self.uid, self.gid) = (uid, gid);
        self
    }
}

/// A symbolic link of a root.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Link {
    /// Where, inside the root.
    pub path: PathBuf,
    /// What it holds.
    pub text: PathBuf,
}

impl Link {
    /// A link at `path` to `text`, which need not exist.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, text: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), text: text.into() }
    }
}

/// The devices that every container has: config-linux.md, "Default Devices".
#[must_use]
pub fn standard_devices() -> Vec<Device> {
    let nodes =
        [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];
    let device =
        |(name, major, minor)| Device::new(Path::new("/dev").join(name), DeviceKind::Char, major, minor);
    nodes.map(device).into()
}

/// The links in /dev that every container has: runtime-linux.md, "Dev symbolic links", and `ptmx`.
#[must_use]
pub fn standard_links() -> Vec<Link> {
    let links = DEV_LINKS.into_iter().chain([("ptmx", "pts/ptmx")]);
    links.map(|(name, text)| Link::new(Path::new("/dev").join(name), text)).collect()
}
