// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Applies path restrictions: makes paths read-only or masks them, after all mounts.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::set::build::late_mount::{LateMount, MountedRoot};
use crate::set::plan::restriction::{PathRestriction, PathRestrictions};
use crate::vfs::attr::{Attr, MountAttr, set_attr};
use crate::vfs::identity::is_same_place;
use crate::vfs::target::Target;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use std::path::{Path, PathBuf};

/// What has to be done for a restricted path.
#[derive(Debug)]
enum RestrictedPath {
    /// The path does not exist.
    Nothing,
    /// The root itself becomes read-only. A mount over it would hide the set from processes that
    /// start at the root.
    Root,
    Mount(Box<LateMount>),
}

/// Makes paths read-only and masks paths, in order. `number` is the number of their steps, the
/// first after those of the mounts.
pub(crate) fn restrict_paths(
    root: &mut impl MountedRoot,
    restrictions: &PathRestrictions,
    number: usize,
) -> Result<()> {
    for (restriction, path) in &restrictions.paths {
        let named = |e| restriction.error(path, e);
        match find(root.root(path).map_err(named)?, *restriction, path, number)? {
            RestrictedPath::Nothing => {}
            RestrictedPath::Root => root.restrict_root().map_err(named)?,
            RestrictedPath::Mount(mount) => root.attach(&mount).map_err(named)?,
        }
    }
    Ok(())
}

/// Resolves the path inside `root`.
fn find(
    root: BorrowedFd<'_>,
    restriction: PathRestriction,
    path: &Path,
    number: usize,
) -> Result<RestrictedPath> {
    let place = match Target::in_root(root, path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(RestrictedPath::Nothing),
        place => place.map_err(|e| e.with_operation(restriction.operation()))?,
    };
    if is_same_place(root, place.as_fd())? {
        return match restriction {
            PathRestriction::ReadOnly => Ok(RestrictedPath::Root),
            PathRestriction::Mask => Err(masks_root(path)),
        };
    }
    let mount = match (restriction, place.is_dir()) {
        (PathRestriction::ReadOnly, _) => LateMount::remount_read_only(place, path, number),
        (PathRestriction::Mask, true) => LateMount::empty_directory(place, path, number),
        (PathRestriction::Mask, false) => LateMount::file(place, path, open_null()?, number),
    };
    Ok(RestrictedPath::Mount(Box::new(mount?)))
}

/// Makes the mount at `root` read-only, without the mounts below it.
pub(crate) fn make_root_read_only(root: BorrowedFd<'_>) -> Result<()> {
    make_read_only(root).map_err(|e| e.with_operation(Operation::MakeRootReadOnly))
}

/// Makes mounts read-only that had to be writable until all mounts were in place.
pub(crate) fn make_mounts_read_only(mounts: &[(PathBuf, OwnedFd)]) -> Result<()> {
    mounts.iter().try_for_each(|(path, root)| make_read_only(root.as_fd()).map_err(|e| e.with_argument(path)))
}

fn make_read_only(root: BorrowedFd<'_>) -> Result<()> {
    let read_only = MountAttr { set: Attr::RDONLY, ..MountAttr::default() };
    set_attr(root, &read_only, false)
}

/// Returns the error for masking the root.
pub(crate) fn masks_root(path: &Path) -> Error {
    let reason = "is the root of the set: masking it would hide everything";
    Error::new(ErrorKind::OptionConflict, PathRestriction::Mask.operation(), reason).with_argument(path)
}

/// Opens the null device. Fails with [`ErrorKind::NotADevice`] if /dev/null is another file.
pub(crate) fn open_null() -> Result<OwnedFd> {
    const NULL: &str = "/dev/null";
    let failed = |call, errno| Error::sys(PathRestriction::Mask.operation(), call, errno).with_argument(NULL);
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let null = rustix::fs::openat(CWD, NULL, flags, Mode::empty()).map_err(|e| failed(Syscall::Openat, e))?;
    let stat = rustix::fs::fstat(&null).map_err(|e| failed(Syscall::Fstat, e))?;
    let device = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    if FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && device == (1, 3) {
        return Ok(null);
    }
    let reason = "is not the null device, which is needed to mask files";
    Err(Error::new(ErrorKind::NotADevice, PathRestriction::Mask.operation(), reason).with_argument(NULL))
}
