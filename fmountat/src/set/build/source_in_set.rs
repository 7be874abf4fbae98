// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finds mounts whose source is in the set itself: a path below the target that an earlier mount of
//! the list covers. mount(8) and OCI runtimes mount one by one, so they see that mount.
//!
//! A bind mount is made of what the set has there. Layers of an overlay and images are opened
//! before the set is assembled, so they would be what the mount covers: these are refused.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::kinds::overlay::{Layer, Overlay};
use crate::set::build::step_mount::StepMounter;
use crate::set::plan::step::{Step, What};
use crate::sys::procfs::Paths;
use crate::vfs::target::{Target, open_error, open_in_root};
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::path::{Component, Path, PathBuf};

/// The mount points of the steps so far, to decide for each bind mount where its source is.
#[derive(Debug)]
pub(crate) struct SourceFinder {
    /// The path of the target. `None` where no source can be in the set: without a target, without
    /// a verified /proc, and for `/`, below which everything is.
    target: Option<(Paths, PathBuf)>,
    /// Paths in the set, without `.`, `..` and the leading `/`.
    covered: BTreeSet<PathBuf>,
}

impl SourceFinder {
    pub(crate) fn new(target: Option<&Target>) -> Self {
        let target = target.and_then(|target| {
            let paths = Paths::new().ok()?;
            let path = paths.of(target.as_fd()).ok()?;
            (path != Path::new("/")).then_some((paths, path))
        });
        Self { target, covered: BTreeSet::new() }
    }

    /// Returns the path in the set of the source of a bind mount, if the source is in the set. Then
    /// adds the step's own mount point.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for a layer or an image that is in the set.
    pub(crate) fn next(&mut self, dir: BorrowedFd<'_>, step: &Step) -> Result<Option<PathBuf>> {
        let found = match &step.what {
            _ if self.covered.is_empty() => Ok(None),
            What::Bind { .. } => Ok(self.bind_source(dir, &step.source)),
            What::Overlay(overlay) => self.check_layers(dir, overlay).map(|()| None),
            What::Filesystem(_) => self.check_image(dir, &step.source).map(|()| None),
        };
        self.covered.insert(names(&step.target));
        found
    }

    fn bind_source(&self, dir: BorrowedFd<'_>, source: &Path) -> Option<PathBuf> {
        let inside = inside(dir, source, self.target.as_ref()?)?;
        let below = self.covered.range::<Path, _>((Bound::Included(&*inside), Bound::Unbounded)).next();
        let is_above = below.is_some_and(|point| point.starts_with(&inside));
        (is_above || self.is_covered(&inside)).then_some(inside)
    }

    /// Reports whether a mount covers the path.
    fn is_covered(&self, path: &Path) -> bool {
        path.ancestors().any(|ancestor| self.covered.contains(ancestor))
    }

    /// Reports whether a mount of the list covers this path of the host.
    fn covers(&self, dir: BorrowedFd<'_>, path: &Path) -> bool {
        let inside = self.target.as_ref().and_then(|target| inside(dir, path, target));
        inside.is_some_and(|inside| self.is_covered(&inside))
    }

    fn check_layers(&self, dir: BorrowedFd<'_>, overlay: &Overlay) -> Result<()> {
        for (layer, path) in overlay.layers() {
            match path {
                Layer::Path(path) if self.covers(dir, path) => {
                    return Err(covered(Operation::OpenLayer, path).with_layer(layer));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Checks the source of a file system, if it is an image or a device: all other sources are
    /// names.
    fn check_image(&self, dir: BorrowedFd<'_>, source: &Path) -> Result<()> {
        let is_file =
            |mode| matches!(FileType::from_raw_mode(mode), FileType::RegularFile | FileType::BlockDevice);
        let found = rustix::fs::statat(dir, source, AtFlags::empty());
        match found.is_ok_and(|stat| is_file(stat.st_mode)) && self.covers(dir, source) {
            true => Err(covered(Operation::OpenImage, source)),
            false => Ok(()),
        }
    }
}

fn covered(operation: Operation, path: &Path) -> Error {
    let reason =
        "an earlier mount of the list covers it, and only a bind mount can be made of the set itself";
    Error::new(ErrorKind::Unsupported, operation, reason)
        .with_argument(path)
        .with_hint("use the source of that mount, or apply this mount in a second list")
}

/// Returns the source's path below the target. A source that does not exist yet is below the
/// deepest directory that does.
fn inside(dir: BorrowedFd<'_>, source: &Path, (paths, target): &(Paths, PathBuf)) -> Option<PathBuf> {
    let mut missing = PathBuf::new();
    for existing in source.ancestors() {
        let existing = if existing.as_os_str().is_empty() { Path::new(".") } else { existing };
        match rustix::fs::openat(dir, existing, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
            Ok(opened) => {
                let path = paths.of(opened.as_fd()).ok()?;
                return path.strip_prefix(target).ok().map(|path| names(&path.join(missing)));
            }
            Err(Errno::NOENT) => {
                let name = existing.file_name()?;
                missing =
                    if missing.as_os_str().is_empty() { name.into() } else { Path::new(name).join(missing) };
            }
            Err(_) => return None,
        }
    }
    None
}

/// Returns the names of a path.
fn names(path: &Path) -> PathBuf {
    path.components().filter(|part| matches!(part, Component::Normal(_))).collect()
}

/// Creates the bind mount of a source that is in the set with this root.
pub(crate) fn bind_from_set(
    step_mounter: &StepMounter<'_>,
    root: BorrowedFd<'_>,
    step: &Step,
    inside: &Path,
) -> Result<Tree> {
    let source = open_in_root(root, inside).map_err(|error| match error.raw_errno() {
        Some(errno) => open_error(Operation::CloneMount, Syscall::OpenTree, &step.source, errno),
        None => error.with_argument(&step.source),
    })?;
    let from_set = Step { source: PathBuf::new(), ..step.clone() };
    let step_mounter = StepMounter { dir: source.as_fd(), ..*step_mounter };
    step_mounter.detached(&from_set).map_err(|error| error.with_argument(&step.source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_covers_what_is_below_it() {
        let covered = ["mnt", "a/b"].map(PathBuf::from).into();
        let finder = SourceFinder { target: None, covered };
        for (path, is_covered) in [
            ("mnt", true),
            ("mnt/x/y", true),
            ("a", false),
            ("a/b/c", true),
            ("a/c", false),
            ("mnt2", false),
            ("", false),
        ] {
            assert_eq!(finder.is_covered(Path::new(path)), is_covered, "{path}");
        }
        assert_eq!(names(Path::new("/./a/../b/")), Path::new("a/b"));
    }
}
