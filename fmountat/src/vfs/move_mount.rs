// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Moves a mount to another place: move_mount(2).

use crate::error::{Error, ErrorKind, Operation, Result, Syscall, escape};
use crate::mountinfo;
use crate::mountinfo::MountEntry;
use crate::sys::procfs::path_of;
use crate::vfs::target::Target;
use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::mount::MoveMountFlags;
use std::path::Path;

impl Target {
    /// Moves the topmost mount on this target, with all mounts below it, to `to`: move_mount(2)
    /// \[Linux 5.2\], as `mount --move`.
    ///
    /// # Errors
    /// [`ErrorKind::NotMounted`] if this target is no mount point; [`ErrorKind::Unsupported`] if
    /// the mount lies in a shared one, or is moved into itself; [`ErrorKind::WrongTargetType`] for
    /// a file on a directory; [`ErrorKind::Permission`].
    pub fn move_mount_to(&self, to: &Self) -> Result<()> {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        rustix::mount::move_mount(self.as_fd(), c"", to.as_fd(), c"", flags).map_err(|errno| {
            let error =
                Error::sys(Operation::MoveMount, Syscall::MoveMount, errno).with_argument(self.path());
            match errno {
                Errno::INVAL => self.explain_move(error, to),
                Errno::LOOP => error
                    .with_kind(ErrorKind::Unsupported)
                    .with_reason("a mount can't be moved to a place in itself"),
                Errno::PERM => crate::vfs::privilege::needs_admin(error),
                _ => error,
            }
        })
    }

    /// Explains the EINVAL of a move, by the mount table.
    fn explain_move(&self, error: Error, to: &Self) -> Error {
        let (Ok(from), Ok(table)) = (path_of(self.as_fd()), mountinfo::read()) else { return error };
        let Some(entry) = top(&table, &from) else {
            let reason = "is not mounted";
            return error.with_kind(ErrorKind::NotMounted).with_reason(reason);
        };
        let shared = table.iter().find(|parent| parent.id == entry.parent && parent.shared.is_some());
        if let Some(parent) = shared {
            let parent = escape(parent.target.as_os_str().as_encoded_bytes());
            return error
                .with_kind(ErrorKind::Unsupported)
                .with_reason(format!(
                    "lies in a shared mount, {parent}, and the kernel moves no mount out of one"
                ))
                .with_hint(format!("make that mount private first: fmountat mount --make-private {parent}"));
        }
        if self.is_dir() != to.is_dir() {
            let reason = "a file can't be moved to a directory, nor a directory to a file";
            return error.with_kind(ErrorKind::WrongTargetType).with_reason(reason);
        }
        error
    }
}

/// Returns the topmost mount at the path.
fn top<'t>(table: &'t [MountEntry], path: &Path) -> Option<&'t MountEntry> {
    table.iter().rev().find(|entry| entry.target == path)
}
