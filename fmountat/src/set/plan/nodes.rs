// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Device nodes and symbolic links, created after all mounts.

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::set::spec::device::{Device, Link};
use crate::vfs::bytes::c_string;
use std::path::Path;

/// The nodes to create in a root, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Nodes {
    pub(crate) devices: Vec<Device>,
    pub(crate) links: Vec<Link>,
}

impl Nodes {
    /// Checks the paths without a system call. As in runc, all start at the root.
    ///
    /// # Errors
    /// [`ErrorKind::Spec`] for a path that does not end in a name;
    /// [`ErrorKind::NulByte`].
    pub(crate) fn new(mut devices: Vec<Device>, mut links: Vec<Link>) -> Result<Self> {
        let paths = devices.iter_mut().map(|device| &mut device.path);
        for path in paths.chain(links.iter_mut().map(|link| &mut link.path)) {
            *path = Path::new("/").join(&*path);
        }
        devices.iter().try_for_each(|device| check(Operation::CreateDevice, &device.path))?;
        for link in &links {
            check(Operation::CreateLink, &link.path)?;
            c_string(Operation::CreateLink, &link.text)?;
        }
        Ok(Self { devices, links })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.devices.is_empty() && self.links.is_empty()
    }
}

fn check(operation: Operation, path: &Path) -> Result<()> {
    c_string(operation, path)?;
    if path.file_name().is_some() {
        return Ok(());
    }
    let reason = "the path must end in a file name";
    Err(Error::new(ErrorKind::Spec, operation, reason).with_argument(path))
}
