// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A published mount that is unmounted when its guard is dropped.

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::vfs::detach::detach_fd;
use crate::vfs::tree::Attached;
use crate::vfs::verify::is_on_top;
use rustix::fd::AsFd;

/// Unmounts a mount when it is dropped, lazily and with all mounts below (`umount2(MNT_DETACH)`),
/// also after an early return or a panic. If somebody mounted over it, it is left mounted.
///
/// ```no_run
/// use fmountat::{CWD, MountGuard, Target, Tree};
/// let tree = Tree::clone_of(CWD, "/srv/layer", true)?;
/// let mounted = MountGuard::new(tree.attach(&Target::open(CWD, "/mnt")?)?);
/// // ... a failure here leaves nothing mounted ...
/// mounted.keep();
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "it is unmounted when this is dropped"]
pub struct MountGuard(Option<Attached>);

impl MountGuard {
    /// Takes the mount under guard.
    pub fn new(attached: Attached) -> Self {
        Self(Some(attached))
    }

    /// Unmounts the mount now and returns the error, which [`Drop`] can't.
    ///
    /// # Errors
    /// The errno of umount2(2); [`ErrorKind::Busy`] where another mount is on top of it.
    pub fn unmount(mut self) -> Result<()> {
        self.0.take().map_or(Ok(()), |attached| detach(&attached))
    }

    /// Leaves the mount attached and returns it.
    pub fn keep(mut self) -> Option<Attached> {
        self.0.take()
    }
}

impl Drop for MountGuard {
    fn drop(&mut self) {
        if let Some(attached) = &self.0 {
            // Drop can't report a failure.
            let _ = detach(attached);
        }
    }
}

fn detach(attached: &Attached) -> Result<()> {
    if is_on_top(attached.as_fd()) {
        return detach_fd(attached.as_fd());
    }
    let reason = "another mount is on it, or it is in another mount namespace";
    Err(Error::new(ErrorKind::Busy, Operation::Unmount, reason))
}
