// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Directories, links and overlays of a throw-away root.

use crate::error::{Error, Operation, Result, Syscall};
use crate::kinds::overlay::Overlay;
use crate::kinds::overlay::ephemeral_upper::Store;
use crate::set::build::Mounter;
use crate::set::plan::Plan;
use crate::set::plan::step::What;
use crate::sys::procfs::DEV_LINKS;
use crate::vfs::attr::MountAttr;
use crate::vfs::target::{Create, Target};
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use std::path::{Path, PathBuf};

/// A place of the machine's own system that a throw-away copy of it does not have, or only to be read.
#[derive(Debug, Clone)]
pub struct NotCovered {
    /// The place.
    pub path: PathBuf,
    /// Why, in words.
    pub reason: String,
}

pub(crate) fn throwaway_overlay(
    mounter: &Mounter,
    store: &Store,
    dir: BorrowedFd<'_>,
    overlay: Overlay,
) -> Result<Tree> {
    mounter.overlay_tree(dir, &store.give_upper(overlay, dir)?, &MountAttr::default())
}

pub(crate) fn is_slash(path: &Path) -> bool {
    path.is_absolute() && path.components().count() == 1
}

/// Whether what is on /dev in the end is a new tmpfs of the plan: anything else may be the caller's own directory.
pub(crate) fn makes_dev(plan: &Plan) -> bool {
    let is_dev = |target: &Path| target.strip_prefix("/").unwrap_or(target) == Path::new("dev");
    let last = plan.steps.iter().rev().find(|step| is_dev(&step.target));
    last.is_some_and(|step| matches!(&step.what, What::Filesystem(name) if name == "tmpfs"))
}

/// The links that programs expect in /dev, where it is a file system of the set's own: runtime-linux.md of OCI.
pub(crate) fn add_device_links(root: BorrowedFd<'_>) -> Result<()> {
    let Ok(dev) = Target::in_root(root, "dev") else {
        return Ok(());
    };
    let is_own = crate::vfs::identity::is_mount_root(dev.as_fd())?
        && rustix::fs::fstatfs(dev.as_fd()).is_ok_and(|s| s.f_type == 0x0102_1994);
    if !is_own {
        return Ok(());
    }
    for (name, to) in DEV_LINKS.into_iter().chain([("ptmx", "pts/ptmx")]) {
        match rustix::fs::symlinkat(to, dev.as_fd(), name) {
            Ok(()) | Err(rustix::io::Errno::EXIST | rustix::io::Errno::ROFS) => {}
            Err(errno) => {
                return Err(
                    Error::sys(Operation::MakeDeviceLink, Syscall::Symlinkat, errno).with_argument(name)
                );
            }
        }
    }
    Ok(())
}

/// A directory of the host, for reading its names.
pub(crate) fn open_directory(path: &Path) -> Result<rustix::fd::OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty())
        .map_err(|e| Error::sys(Operation::ReadDirectory, Syscall::Openat, e).with_argument(path))
}

pub(crate) fn make_directory(root: BorrowedFd<'_>, path: &Path, mode: u32) -> Result<Target> {
    let made = Target::create_in_root(root, path, Create::directory(mode))?;
    // mkdir(2) leaves out what the umask says. Only `.` names it, and there is no link to follow.
    rustix::fs::chmodat(made.as_fd(), ".", Mode::from_raw_mode(mode), AtFlags::empty())
        .map_err(|e| Error::sys(Operation::SetModeDirectory, Syscall::Fchmodat, e).with_argument(path))?;
    made.keep();
    Ok(made)
}
