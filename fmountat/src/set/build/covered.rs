// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Copies the mode of a directory to the tmpfs that will cover it, and with `tmpcopyup` also its
//! files, as runc does.

use crate::error::{Error, Operation, Result, Syscall};
use crate::set::build::step_mount::set_root_mode;
use crate::set::plan::step::Step;
use crate::vfs::attr::{Attr, MountAttr, set_attr};
use crate::vfs::context::FsContext;
use crate::vfs::copy_tree::copy_tree;
use rustix::fd::BorrowedFd;
use rustix::fs::Mode;

/// Sets the mode of the root, and copies the files, before the tmpfs is attached.
pub(crate) fn take_over(root: BorrowedFd<'_>, covered: BorrowedFd<'_>, step: &Step) -> Result<()> {
    if !step.inherits_mode && !step.copies_up {
        return Ok(());
    }
    if !step.options.single_attr().set.contains(Attr::RDONLY) || step.read_only_last {
        return take_over_into_writable(root, covered, step);
    }
    // A read-only file system cannot be changed, and no other process sees it yet.
    let read_only = MountAttr { set: Attr::RDONLY, ..MountAttr::default() };
    let writable = MountAttr { clear: Attr::RDONLY, ..MountAttr::default() };
    set_superblock_flag(root, "rw")?;
    set_attr(root, &writable, false)?;
    take_over_into_writable(root, covered, step)?;
    set_attr(root, &read_only, false)?;
    match step.options.superblock_at_birth().contains(&"ro") {
        true => set_superblock_flag(root, "ro"),
        false => Ok(()),
    }
}

fn take_over_into_writable(root: BorrowedFd<'_>, covered: BorrowedFd<'_>, step: &Step) -> Result<()> {
    if step.inherits_mode {
        let stat = rustix::fs::fstat(covered).map_err(|e| {
            Error::sys(Operation::LookAtTarget, Syscall::Fstat, e).with_argument(&step.target)
        })?;
        set_root_mode(root, Mode::from_raw_mode(stat.st_mode).as_raw_mode(), step)?;
    }
    match step.copies_up {
        true => copy_tree(covered, root, &step.target),
        false => Ok(()),
    }
}

fn set_superblock_flag(root: BorrowedFd<'_>, flag: &str) -> Result<()> {
    let mut context = FsContext::pick(root)?;
    context.set_flag(flag)?;
    context.reconfigure()
}
