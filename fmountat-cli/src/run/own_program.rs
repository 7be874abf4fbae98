// SPDX-License-Identifier: Apache-2.0 OR MIT
//! This program as the init executes it. `/proc/1/exe` leads the command to that file: it must not
//! be the host's, of which root could change the mode or owner.

use fmountat::{Attr, Error, MountAttr, Operation, Tree, procfs};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, MemfdFlags, OFlags, SealFlags};
use rustix::io::Errno;
use std::fs::File;
use std::path::PathBuf;

const STEP: Operation = Operation::Program("open the init's program");

/// This program: on a read-only mount of its own, or a sealed copy in memory.
#[derive(Debug)]
pub(crate) enum OwnProgram {
    Mounted(Tree),
    Copied(OwnedFd),
}

impl OwnProgram {
    /// Opens it. The mount namespace must be new.
    pub(crate) fn open() -> Result<Self, Error> {
        let link = procfs::program().map_err(|e| procfs::failed(STEP, "thread-self/exe", e))?;
        match mounted(&link) {
            Some(tree) => Ok(Self::Mounted(tree)),
            None => copied(&link).map(Self::Copied).map_err(|e| Error::from_io(STEP, link, e)),
        }
    }

    /// Returns its path, for execve(2).
    pub(crate) fn path(&self) -> Result<PathBuf, Error> {
        let name = procfs::descriptor_name(self.as_fd());
        name.map_err(|e| procfs::failed(STEP, "thread-self/fd", e))
    }
}

impl AsFd for OwnProgram {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Mounted(tree) => tree.root(),
            Self::Copied(file) => file.as_fd(),
        }
    }
}

/// Clones the file by its path, read-only. The link itself leads to a mount of another namespace,
/// of which the kernel makes no clone. Returns `None` if another file has the path now.
fn mounted(link: &std::path::Path) -> Option<Tree> {
    let path = std::fs::read_link(link).ok()?;
    let tree = Tree::clone_of(CWD, path, false).ok()?;
    let (own, cloned) = (rustix::fs::stat(link).ok()?, rustix::fs::fstat(tree.root()).ok()?);
    if (own.st_dev, own.st_ino) != (cloned.st_dev, cloned.st_ino) {
        return None;
    }
    let attr = MountAttr { set: Attr::RDONLY, ..MountAttr::default() };
    tree.set_attr(&attr, false).ok()?;
    Some(tree)
}

fn copied(link: &std::path::Path) -> std::io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Linux 6.3 can forbid files in memory that can be executed, unless they are asked for.
    let memory = match rustix::fs::memfd_create("fmountat", flags | MemfdFlags::EXEC) {
        Err(Errno::INVAL) => rustix::fs::memfd_create("fmountat", flags)?,
        made => made?,
    };
    let mut copy = File::from(memory);
    std::io::copy(&mut File::open(link)?, &mut copy)?;
    rustix::fs::fcntl_add_seals(
        &copy,
        SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE,
    )?;
    // A file that is open for writing cannot be executed.
    let name = procfs::descriptor_name(copy.as_fd())?;
    Ok(rustix::fs::open(name, OFlags::RDONLY | OFlags::CLOEXEC, rustix::fs::Mode::empty())?)
}
