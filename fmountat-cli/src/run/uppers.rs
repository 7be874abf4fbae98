// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where the changes of the command are written: a tmpfs, or the directory of `--keep`.

use crate::kept::index::Kept;
use fmountat::overlay::{EphemeralUppers, Overlay};
use fmountat::{Error, MountAttr, Mounter, Operation, Tree};
use rustix::fd::BorrowedFd;
use rustix::fs::{Gid, Mode, Uid};
use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// The upper directories of the overlays.
pub(crate) enum Uppers {
    Ephemeral(EphemeralUppers),
    Kept(RefCell<Kept>),
}

impl Uppers {
    /// Mounts an overlay of `lowers`, topmost first, which is at `target` in the root. `dir`
    /// resolves relative paths.
    pub(crate) fn overlay(
        &self,
        mounter: &Mounter,
        dir: BorrowedFd<'_>,
        target: &Path,
        lowers: &[PathBuf],
    ) -> Result<Tree, Error> {
        let overlay = lowers.iter().fold(Overlay::new(), |overlay, lower| overlay.lower(lower));
        // Else a hard link of a file of a layer has another inode number than that file: git(1)
        // refuses to clone a repository in such a file system.
        let overlay = overlay.option("xino", "on");
        let overlay = match self {
            Self::Ephemeral(uppers) => uppers.give(dir, overlay)?,
            Self::Kept(kept) => {
                let mut kept = kept.borrow_mut();
                let number = kept.number(target, &absolute(dir, lowers)?)?;
                let (upper, work) = (kept.upper(number), kept.work(number));
                create_like(lowers.first().map(PathBuf::as_path), dir, &upper)?;
                std::fs::create_dir_all(&work).map_err(|e| failed(&work, e))?;
                let overlay = overlay.upper(upper, work);
                // The list of changes reads no references to other paths or to data of a layer.
                if kept.index.in_user_namespace {
                    overlay
                } else {
                    overlay.option("redirect_dir", "off").option("metacopy", "off")
                }
            }
        };
        mounter.overlay_tree(dir, &overlay, &MountAttr::default())
    }

    /// Returns the places of kept overlays that were not mounted yet.
    pub(crate) fn unused(&self) -> Vec<PathBuf> {
        match self {
            Self::Ephemeral(_) => Vec::new(),
            Self::Kept(kept) => kept.borrow().unused(),
        }
    }

    /// Reports whether directories of a layer cannot be removed.
    pub(crate) fn lacks_marks(&self) -> bool {
        matches!(self, Self::Ephemeral(uppers) if uppers.lacks_marks())
    }
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::from_io(Operation::Program("create upper directory"), path, error)
}

/// Returns the paths of the layers from the root. They are compared with those of the next run.
fn absolute(dir: BorrowedFd<'_>, lowers: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let start = fmountat::procfs::descriptor_name(dir)
        .map_err(|e| fmountat::procfs::failed(Operation::Program("find the layers"), "thread-self/fd", e))?;
    let real = |lower: &PathBuf| std::fs::canonicalize(start.join(lower)).map_err(|e| failed(lower, e));
    lowers.iter().map(real).collect()
}

/// Creates the directory, if it does not exist, with the mode and owner of the layer: the root of
/// the overlay shows them.
fn create_like(lower: Option<&Path>, dir: BorrowedFd<'_>, upper: &Path) -> Result<(), Error> {
    if upper.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(upper).map_err(|e| failed(upper, e))?;
    let stat = lower.map(|lower| rustix::fs::statat(dir, lower, rustix::fs::AtFlags::empty()));
    if let Some(Ok(stat)) = stat {
        // In a user namespace this fails for an owner without an id there.
        let owner = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        let _ = rustix::fs::chown(upper, Some(owner.0), Some(owner.1));
        let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
        rustix::fs::chmod(upper, mode).map_err(|e| failed(upper, e.into()))?;
    }
    Ok(())
}
