// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A published mount that goes when its owner does.

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::vfs::detach::detach_fd;
use crate::vfs::tree::Attached;
use crate::vfs::verify::is_on_top;
use rustix::fd::AsFd;

/// Unmounts what was attached when it is dropped, lazily and with all that is mounted in it (`umount2(MNT_DETACH)`): also when a
/// function returns early or panics. What somebody has mounted over it stays, and the mount with it.
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
    /// Guards what was attached.
    pub fn new(attached: Attached) -> Self {
        Self(Some(attached))
    }

    /// Unmounts it now, and reports an error, which [`Drop`] can't.
    ///
    /// # Errors
    /// The errno of umount2(2); [`ErrorKind::Busy`] where another mount is on it.
    pub fn unmount(mut self) -> Result<()> {
        self.0.take().map_or(Ok(()), |attached| take_away(&attached))
    }

    /// It stays.
    pub fn keep(mut self) -> Option<Attached> {
        self.0.take()
    }
}

impl Drop for MountGuard {
    fn drop(&mut self) {
        if let Some(attached) = &self.0 {
            // Nobody is left to be told.
            let _ = take_away(attached);
        }
    }
}

fn take_away(attached: &Attached) -> Result<()> {
    if is_on_top(attached.as_fd()) {
        return detach_fd(attached.as_fd());
    }
    let reason = "another mount covers it, or it is in another mount namespace";
    Err(Error::new(ErrorKind::Busy, Operation::Unmount, reason))
}
