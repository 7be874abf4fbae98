// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mounts for restricted paths and devices, made after all mounts of the list.

use crate::error::Result;
use crate::set::build::step_mount::StepMounter;
use crate::set::options::Options;
use crate::set::plan::step::{Step, What};
use crate::vfs::target::Target;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A root with all mounts of the list in place.
pub(crate) trait MountedRoot {
    /// Returns the root that a process in the set would see. `path` is resolved in it.
    fn root(&self, path: &Path) -> Result<BorrowedFd<'_>>;

    /// Creates the mount and attaches it at its place.
    fn attach(&mut self, mount: &LateMount) -> Result<()>;

    /// Requests that the root itself become read-only.
    fn restrict_root(&mut self) -> Result<()>;
}

/// A mount on a target that was opened by its path.
#[derive(Debug)]
pub(crate) struct LateMount {
    pub(crate) place: Target,
    source: Source,
    pub(crate) step: Step,
}

/// The start of the step's source. A file is bound by descriptor, so that no other file can take
/// its name in the meantime.
#[derive(Debug)]
enum Source {
    /// The step mounts a new file system.
    Nothing,
    /// The target itself.
    Place,
    File(OwnedFd),
}

impl LateMount {
    /// Returns a read-only bind of the target on itself. The mounts below it keep their attributes.
    pub(crate) fn remount_read_only(place: Target, path: &Path, number: usize) -> Result<Self> {
        let step = bind(path, true, number)?;
        Ok(Self { place, source: Source::Place, step })
    }

    /// Returns a read-only bind of a file. On a writable bind, chmod(2) and chown(2) would change
    /// the host's file.
    pub(crate) fn file(place: Target, path: &Path, file: OwnedFd, number: usize) -> Result<Self> {
        Ok(Self { place, source: Source::File(file), step: bind(path, false, number)? })
    }

    /// Returns an empty directory to which nobody can write.
    pub(crate) fn empty_directory(place: Target, path: &Path, number: usize) -> Result<Self> {
        let options = Options::parse(["ro", "nosuid", "nodev", "noexec", "nr_inodes=1", "size=4k"])?;
        let what = What::Filesystem(OsString::from("tmpfs"));
        let step = Step::of(number, "tmpfs".into(), path.to_owned(), what, options);
        Ok(Self { place, source: Source::Nothing, step })
    }

    /// Reports whether it is an [`empty_directory`](Self::empty_directory), which can be copied for
    /// the next one.
    pub(crate) fn is_empty_directory(&self) -> bool {
        matches!(self.step.what, What::Filesystem(_))
    }

    /// Returns the `StepMounter` with the directory at which the step's source starts. An empty
    /// source of a bind means that descriptor itself.
    pub(crate) fn mounter<'a>(&'a self, mounter: &StepMounter<'a>) -> StepMounter<'a> {
        match &self.source {
            Source::Nothing => *mounter,
            Source::Place => StepMounter { dir: self.place.as_fd(), ..*mounter },
            Source::File(file) => StepMounter { dir: file.as_fd(), ..*mounter },
        }
    }
}

fn bind(path: &Path, recursive: bool, number: usize) -> Result<Step> {
    let what = What::Bind { recursive };
    Ok(Step::of(number, PathBuf::new(), path.to_owned(), what, Options::parse(["ro"])?))
}
