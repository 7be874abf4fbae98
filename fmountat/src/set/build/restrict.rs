// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Path restrictions: paths of a root that are made read-only or masked when everything is mounted. Each becomes a mount like
//! any other once it is known what is there.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::set::build::late_mount::{LateMount, MountedRoot};
use crate::set::plan::restriction::{PathRestriction, PathRestrictions};
use crate::vfs::attr::{Attr, Locked, MountAttr, set_attr};
use crate::vfs::identity::is_same_place;
use crate::vfs::target::Target;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use std::path::Path;

/// What a restricted path leads to.
#[derive(Debug)]
enum Place {
    /// There is nothing to restrict.
    Nothing,
    /// The root itself is to be read-only: a mount over it would hide the set from who starts at the root.
    Root,
    Mount(Box<LateMount>),
}

/// Makes paths read-only and masks paths, in order. The number of their steps follows the mounts'.
pub(crate) fn restrict_paths(
    root: &mut impl MountedRoot,
    restrictions: &PathRestrictions,
    number: usize,
) -> Result<()> {
    for (restriction, path) in &restrictions.paths {
        let named = |e| restriction.error(path, e);
        match find(root.root(path).map_err(named)?, *restriction, path, number)? {
            Place::Nothing => {}
            Place::Root => root.restrict_root().map_err(named)?,
            Place::Mount(mount) => root.attach(&mount).map_err(named)?,
        }
    }
    Ok(())
}

/// Looks the path up inside `root`.
fn find(root: BorrowedFd<'_>, restriction: PathRestriction, path: &Path, number: usize) -> Result<Place> {
    let place = match Target::in_root(root, path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Place::Nothing),
        place => place.map_err(|e| e.with_operation(restriction.operation()))?,
    };
    if is_same_place(root, place.as_fd())? {
        return match restriction {
            PathRestriction::ReadOnly => Ok(Place::Root),
            PathRestriction::Mask => Err(hides_all(path)),
        };
    }
    let mount = match (restriction, place.is_dir()) {
        (PathRestriction::ReadOnly, _) => LateMount::remount_read_only(place, path, number),
        (PathRestriction::Mask, true) => LateMount::empty_directory(place, path, number),
        (PathRestriction::Mask, false) => LateMount::file(place, path, open_null()?, number),
    };
    Ok(Place::Mount(Box::new(mount?)))
}

/// Makes the mount that `root` is the root of read-only, and none below it.
pub(crate) fn make_root_read_only(root: BorrowedFd<'_>) -> Result<()> {
    let read_only = MountAttr { set: Attr::RDONLY, ..MountAttr::default() };
    set_attr(root, &read_only, false, Locked::StaysAsItIs)
        .map_err(|e| e.with_operation(Operation::MakeRootReadOnly))
}

/// Refuses to mask the root.
pub(crate) fn hides_all(path: &Path) -> Error {
    let reason = "is the root of the set: masking it would hide everything";
    Error::new(ErrorKind::OptionConflict, PathRestriction::Mask.operation(), reason).with_argument(path)
}

/// Opens the null device, and refuses any other file that has its name.
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
