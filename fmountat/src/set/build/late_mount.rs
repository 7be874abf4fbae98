// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mounts that no list names: for restricted paths and devices, made when everything else is mounted.

use crate::error::Result;
use crate::set::build::step_mount::StepMounter;
use crate::set::options::Options;
use crate::set::plan::step::{Step, What};
use crate::vfs::target::Target;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A root whose mounts are in place.
pub(crate) trait MountedRoot {
    /// Returns the root as a process in it would see it, in which `path` is looked up.
    fn root(&self, path: &Path) -> Result<BorrowedFd<'_>>;

    /// Makes the mount and attaches it at its place.
    fn attach(&mut self, mount: &LateMount) -> Result<()>;

    /// Notes that the root itself is to be read-only.
    fn restrict_root(&mut self) -> Result<()>;
}

/// A mount on a place that was found by its path.
#[derive(Debug)]
pub(crate) struct LateMount {
    pub(crate) place: Target,
    source: Source,
    pub(crate) step: Step,
}

/// Where the source of the step starts. Files are bound by descriptor, so that no other file can take their name meanwhile.
#[derive(Debug)]
enum Source {
    /// None: the step mounts a file system of its own.
    Nothing,
    /// The place itself.
    Place,
    File(OwnedFd),
}

impl LateMount {
    /// A read-only bind of the place on itself, without changes to the mounts below it.
    pub(crate) fn remount_read_only(place: Target, path: &Path, number: usize) -> Result<Self> {
        let step = bind(path, true, number)?;
        Ok(Self { place, source: Source::Place, step })
    }

    /// A read-only bind of a file. Read-only: else chmod(2) and chown(2) would change the host's file.
    pub(crate) fn file(place: Target, path: &Path, file: OwnedFd, number: usize) -> Result<Self> {
        Ok(Self { place, source: Source::File(file), step: bind(path, false, number)? })
    }

    /// An empty directory that nobody can write to.
    pub(crate) fn empty_directory(place: Target, path: &Path, number: usize) -> Result<Self> {
        let options = Options::parse(["ro", "nosuid", "nodev", "noexec", "nr_inodes=1", "size=4k"])?;
        let what = What::Filesystem(OsString::from("tmpfs"));
        let step = Step::of(number, "tmpfs".into(), path.to_owned(), what, options);
        Ok(Self { place, source: Source::Nothing, step })
    }

    /// Whether it is an [`empty_directory`](Self::empty_directory): one can be copied for the next.
    pub(crate) fn is_empty_directory(&self) -> bool {
        matches!(self.step.what, What::Filesystem(_))
    }

    /// What the step is made with. An empty source of a bind is the descriptor that stands for the directory.
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
