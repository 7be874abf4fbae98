// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Covers: paths of a set that are made read-only where they are, or hidden, after everything is mounted. Each becomes a
//! step like any other once it is known what is there.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::set::build::step_mount::StepMounter;
use crate::set::options::Options;
use crate::set::plan::restriction::PathRestriction;
use crate::set::plan::step::{Step, What};
use crate::vfs::attr::{Attr, Locked, MountAttr, set_attr};
use crate::vfs::identity::is_same_place;
use crate::vfs::target::Target;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A cover that found its path: a step, whose source starts at the descriptor.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) place: Target,
    source: Source,
    pub(crate) step: Step,
}

/// The source of a cover's step. Files are bound by descriptor, so that no other file can take their name meanwhile.
#[derive(Debug)]
enum Source {
    /// None: the step mounts a file system of its own.
    Nothing,
    /// The path itself.
    Place,
    /// The null device, checked.
    Null(OwnedFd),
}

impl Found {
    /// What the step is made with. An empty source of a bind is the descriptor that stands for the directory.
    pub(crate) fn pieces<'a>(&'a self, pieces: &StepMounter<'a>) -> StepMounter<'a> {
        match &self.source {
            Source::Nothing => *pieces,
            Source::Place => StepMounter { dir: self.place.as_fd(), ..*pieces },
            Source::Null(null) => StepMounter { dir: null.as_fd(), ..*pieces },
        }
    }
}

/// What a path leads to.
#[derive(Debug)]
pub(crate) enum Place {
    /// There is nothing to cover.
    Nothing,
    /// The root itself is to be read-only: a mount over it would hide the set from who starts at the root.
    Root,
    Step(Box<Found>),
}

/// Looks the path up inside `root`. The step's number follows the mounts'.
pub(crate) fn find(
    root: BorrowedFd<'_>,
    cover: PathRestriction,
    path: &Path,
    number: usize,
) -> Result<Place> {
    let place = match Target::in_root(root, path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Place::Nothing),
        place => place.map_err(|e| e.with_operation(cover.operation()))?,
    };
    if is_same_place(root, place.as_fd())? {
        return match cover {
            PathRestriction::ReadOnly => Ok(Place::Root),
            PathRestriction::Mask => Err(hides_all(path)),
        };
    }
    let step = |source: PathBuf, what: What, words: &[&str]| -> Result<Step> {
        let options = Options::parse(words)?;
        Ok(Step { number, source, target: path.to_owned(), what, options })
    };
    let bind = |recursive| step(PathBuf::new(), What::Bind { recursive }, &["ro"]);
    let (source, step) = match (cover, place.is_dir()) {
        (PathRestriction::ReadOnly, _) => (Source::Place, bind(true)),
        (PathRestriction::Mask, true) => {
            let words = ["ro", "nosuid", "nodev", "noexec", "nr_inodes=1", "size=4k"];
            let what = What::Filesystem(OsString::from("tmpfs"));
            (Source::Nothing, step("tmpfs".into(), what, &words))
        }
        // Read-only: else chmod(2) and chown(2) of the masked file would change the host's device.
        (PathRestriction::Mask, false) => (Source::Null(open_null()?), bind(false)),
    };
    Ok(Place::Step(Box::new(Found { source, step: step?, place })))
}

/// Makes the mount that `root` is the root of read-only, and none below it.
pub(crate) fn make_root_read_only(root: BorrowedFd<'_>) -> Result<()> {
    let read_only = MountAttr { set: Attr::RDONLY, ..MountAttr::default() };
    set_attr(root, &read_only, false, Locked::StaysAsItIs)
        .map_err(|e| e.with_operation(Operation::MakeRootReadOnly))
}

/// Refuses to mask the root.
pub(crate) fn hides_all(path: &Path) -> Error {
    let reason = "it is the root of the set: all of it would be hidden";
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
    let reason = "it is not the null device, so it can't hide a file";
    Err(Error::new(ErrorKind::NotADevice, PathRestriction::Mask.operation(), reason).with_argument(NULL))
}
