// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Covers: paths of a set that are made read-only where they are, or hidden, after everything is mounted. Each becomes a
//! step like any other once it is known what is there.

use super::options::Options;
use super::piece::Pieces;
use super::plan::{Step, What};
use super::spec::Spec;
use crate::error::{Error, ErrorKind, Result, escape};
use crate::vfs::identity::is_same_place;
use crate::vfs::target::Target;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What is done to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cover {
    ReadOnly,
    Mask,
}

/// What is done after all mounts, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Covers {
    pub(crate) paths: Vec<(Cover, PathBuf)>,
    pub(crate) readonly_root: bool,
}

impl Covers {
    /// In runc's order: what is masked in a read-only directory is masked.
    pub(super) fn of(spec: &Spec) -> Result<Self> {
        let readonly = spec.readonly_paths.iter().map(|path| (Cover::ReadOnly, path.clone()));
        let masked = spec.masked_paths.iter().map(|path| (Cover::Mask, path.clone()));
        let paths: Vec<_> = readonly.chain(masked).collect();
        for (cover, path) in &paths {
            crate::vfs::bytes::c_string("path", path)?;
            if !path.is_absolute() {
                let reason = "the path must be absolute: it starts at the root of the set";
                return Err(Error::new(ErrorKind::Spec, cover.step(), reason).arg(path));
            }
        }
        Ok(Self { paths, readonly_root: spec.readonly_root })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.paths.is_empty() && !self.readonly_root
    }
}

impl Cover {
    /// The error of covering `path`.
    pub(super) fn error(self, path: &Path, error: Error) -> Error {
        let named = format!("{} {}: {}", self.step(), escape(path.as_os_str().as_bytes()), error.step());
        error.with_step(named)
    }

    /// The name of the step, in errors and plans.
    pub(crate) fn step(self) -> &'static str {
        match self {
            Self::ReadOnly => "make path read-only",
            Self::Mask => "mask path",
        }
    }
}

/// A cover that found its path: a step, whose source starts at the descriptor.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) place: Target,
    source: Source,
    pub(super) step: Step,
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
    pub(super) fn pieces<'a>(&'a self, pieces: &Pieces<'a>) -> Pieces<'a> {
        match &self.source {
            Source::Nothing => *pieces,
            Source::Place => Pieces { dir: self.place.as_fd(), ..*pieces },
            Source::Null(null) => Pieces { dir: null.as_fd(), ..*pieces },
        }
    }
}

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Place {
    /// There is nothing to cover.
    Nothing,
    /// The root itself is to be read-only: a mount over it would hide the set from who starts at the root.
    Root,
    Step(Box<Found>),
}

/// Looks the path up inside `root`. The step's number follows the mounts'.
pub(super) fn find(root: BorrowedFd<'_>, cover: Cover, path: &Path, number: usize) -> Result<Place> {
    let place = match Target::in_root(root, path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Place::Nothing),
        place => place.map_err(|e| e.with_step(cover.step()))?,
    };
    if is_same_place(root, place.as_fd())? {
        return match cover {
            Cover::ReadOnly => Ok(Place::Root),
            Cover::Mask => Err(hides_all(path)),
        };
    }
    let step = |source: PathBuf, what: What, words: &[&str]| {
        let options = Options::parse(words)?;
        Ok(Step { number, source, target: path.to_owned(), what, options })
    };
    let bind = |recursive| step(PathBuf::new(), What::Bind { recursive }, &["ro"]);
    let (source, step) = match (cover, place.is_dir()) {
        (Cover::ReadOnly, _) => (Source::Place, bind(true)),
        (Cover::Mask, true) => {
            let words = ["ro", "nosuid", "nodev", "noexec", "nr_inodes=1", "size=4k"];
            let what = What::Filesystem(OsString::from("tmpfs"));
            (Source::Nothing, step("tmpfs".into(), what, &words))
        }
        // Read-only: else chmod(2) and chown(2) of the masked file would change the host's device.
        (Cover::Mask, false) => (Source::Null(open_null()?), bind(false)),
    };
    Ok(Place::Step(Box::new(Found { source, step: step?, place })))
}

/// Refuses to mask the root.
pub(super) fn hides_all(path: &Path) -> Error {
    let reason = "it is the root of the set: all of it would be hidden";
    Error::new(ErrorKind::OptionConflict, Cover::Mask.step(), reason).arg(path)
}

/// Opens the null device, and refuses any other file that has its name.
pub(super) fn open_null() -> Result<OwnedFd> {
    const NULL: &str = "/dev/null";
    let failed = |call, errno| Error::sys(Cover::Mask.step(), call, errno).arg(NULL);
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let null = rustix::fs::openat(CWD, NULL, flags, Mode::empty()).map_err(|e| failed("openat", e))?;
    let stat = rustix::fs::fstat(&null).map_err(|e| failed("fstat", e))?;
    let device = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    if FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && device == (1, 3) {
        return Ok(null);
    }
    let reason = "it is not the null device, so it can't hide a file";
    Err(Error::new(ErrorKind::NotADevice, Cover::Mask.step(), reason).arg(NULL))
}
