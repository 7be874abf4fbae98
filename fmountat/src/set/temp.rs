// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `TempMount`: mounts a set for the duration of a callback, by default invisibly.

use crate::error::{Error, ErrorKind, Errors, Operation, Result, Syscall};
use crate::set::build::{DetachedSet, Mounter};
use crate::set::plan::Plan;
use crate::set::spec::view::temporary_view;
use crate::set::spec::{Mount, read_only_view};
use crate::sys::procfs::name_for;
use crate::table::unmount::Unmount;
use crate::vfs::target::Target;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode};
use rustix::io::Errno;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// The options of a temporary mount.
///
/// Without [`visible_in`](Self::visible_in) the set is never attached. No mount table shows it, and
/// it is dissolved with the end of the callback or of the process, even by `kill -9`. The option
/// `volatile` of an overlay is removed: it would leave a mark that prevents the next overlay from
/// using the work directory.
///
/// ```no_run
/// use fmountat::{Mount, Mounter};
/// use fmountat::temp::TempMount;
/// let image = [Mount::new("overlay", "overlay").option("lowerdir=/s/2/fs:/s/1/fs")];
/// let mount = TempMount::new().read_only(true);
/// let release = mount.with(&Mounter::detached(), fmountat::CWD, &image, |root| {
///     std::fs::read_to_string(root.path().join("etc/os-release"))
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct TempMount {
    read_only: bool,
    parent: Option<PathBuf>,
}

/// The root of a temporary mount, passed to the callback.
#[derive(Debug)]
pub struct TempRoot<'a> {
    fd: BorrowedFd<'a>,
    path: PathBuf,
}

impl TempRoot<'_> {
    /// Returns a path to the root. If the set is not visible, it is the descriptor's name in /proc,
    /// which is valid in this process only. A child needs the descriptor.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl AsFd for TempRoot<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd
    }
}

/// The error of a temporary mount: before, in, or after the callback, or both of the latter.
#[derive(Debug)]
#[non_exhaustive]
pub enum TempError<E> {
    /// Mounting failed. The callback did not run.
    Mount(Error),
    /// The callback failed. Nothing is left behind.
    Work(E),
    /// The callback succeeded, but something is left behind. The errors say what.
    CleanUp(Errors),
    /// The callback failed, and something is left behind.
    Both(E, Errors),
}

impl<E: fmt::Display> fmt::Display for TempError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (work, clean_up): (Option<&E>, &[Error]) = match self {
            Self::Mount(error) => return error.fmt(f),
            Self::Work(error) => (Some(error), &[]),
            Self::CleanUp(errors) => (None, errors),
            Self::Both(error, errors) => (Some(error), errors),
        };
        let work = work.map(ToString::to_string);
        let all: Vec<String> = work.into_iter().chain(clean_up.iter().map(ToString::to_string)).collect();
        f.write_str(&all.join("\n"))
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for TempError<E> {}

impl TempMount {
    /// Returns the defaults: invisible, and writable as the mounts say.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Mounts a [`read_only_view`] of the list.
    #[must_use]
    pub fn read_only(mut self, yes: bool) -> Self {
        self.read_only = yes;
        self
    }

    /// Attaches the set on a new directory with mode 0700 in `parent`, visible to other processes
    /// of this mount namespace. After the callback the set is unmounted and the directory removed,
    /// by rmdir(2) only. `kill -9` leaves both behind.
    #[must_use]
    pub fn visible_in(mut self, parent: impl Into<PathBuf>) -> Self {
        self.parent = Some(parent.into());
        self
    }

    /// Mounts the list, passes its root to `work`, and unmounts it. Relative paths start at `dir`.
    /// The list must have a mount for `/`; it is not changed.
    ///
    /// # Errors
    /// [`TempError`], with those of [`Mounter::build`] and [`Unmount::run`]. A visible mount that
    /// is still in use after the callback is left in place, with its directory and all contents.
    pub fn with<T, E>(
        &self,
        mounter: &Mounter,
        dir: impl AsFd,
        mounts: &[Mount],
        work: impl FnOnce(&TempRoot<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, TempError<E>> {
        let mounts = if self.read_only { read_only_view(mounts) } else { temporary_view(mounts) };
        let built = build(mounter, dir.as_fd(), &mounts).map_err(TempError::Mount)?;
        let Some(parent) = &self.parent else {
            let path = name_for(Operation::OpenTemporaryMount, built.root()).map_err(TempError::Mount)?;
            return work(&TempRoot { fd: built.root(), path }).map_err(TempError::Work);
        };
        let place = Visible::attach(built, parent).map_err(TempError::Mount)?;
        let done = match place.root() {
            Ok(root) => work(&TempRoot { fd: root.as_fd(), path: place.path.clone() }),
            Err(error) => return Err(TempError::Mount(error)),
        };
        match (done, place.finish()) {
            (Ok(value), Ok(())) => Ok(value),
            (Ok(_), Err(errors)) => Err(TempError::CleanUp(errors)),
            (Err(error), Ok(())) => Err(TempError::Work(error)),
            (Err(error), Err(errors)) => Err(TempError::Both(error, errors)),
        }
    }
}

fn build(mounter: &Mounter, dir: BorrowedFd<'_>, mounts: &[Mount]) -> Result<DetachedSet> {
    let plan = Plan::new(mounts)?;
    if !plan.has_root() {
        let reason = "no mount has the target `/`, which a temporary mount requires";
        return Err(Error::new(ErrorKind::Spec, Operation::ReadMountList, reason));
    }
    mounter.build(dir, &plan, &Target::open(CWD, "/")?)
}

/// A set attached on a directory of its own. Dropping it, also on a panic of the callback, unmounts
/// the set and removes the directory.
struct Visible {
    path: PathBuf,
    is_cleaned_up: bool,
}

impl Visible {
    fn attach(built: DetachedSet, parent: &Path) -> Result<Self> {
        let place = Self { path: make_directory(parent)?, is_cleaned_up: false };
        let target = Target::open(CWD, &place.path)?;
        built.attach(&target)?;
        Ok(place)
    }

    fn root(&self) -> Result<OwnedFd> {
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
        rustix::fs::openat(CWD, &self.path, flags, Mode::empty()).map_err(|e| {
            Error::sys(Operation::OpenTemporaryMount, Syscall::Openat, e).with_argument(&self.path)
        })
    }

    fn finish(mut self) -> std::result::Result<(), Errors> {
        self.is_cleaned_up = true;
        self.clean_up()
    }

    fn clean_up(&self) -> std::result::Result<(), Errors> {
        match Unmount::new().recursive(true).run(&self.path) {
            Ok(()) => {}
            // Nothing is mounted yet, or the callback unmounted it.
            Err(errors) if errors.iter().all(|e| e.kind() == ErrorKind::NotMounted) => {}
            Err(errors) => return Err(errors),
        }
        // rmdir(2) cannot remove anything in use: it fails with EBUSY for a mount point and with
        // ENOTEMPTY for a directory with files.
        rustix::fs::unlinkat(CWD, &self.path, AtFlags::REMOVEDIR).map_err(|e| {
            Error::sys(Operation::RemoveDirectory, Syscall::Rmdir, e).with_argument(&self.path).into()
        })
    }
}

impl Drop for Visible {
    fn drop(&mut self) {
        if !self.is_cleaned_up {
            // The caller gets the first error.
            let _ = self.clean_up();
        }
    }
}

fn make_directory(parent: &Path) -> Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("fmountat-{}-{number}", std::process::id()));
        match rustix::fs::mkdirat(CWD, &path, Mode::RWXU) {
            Ok(()) => return Ok(path),
            Err(Errno::EXIST) => {}
            Err(errno) => {
                return Err(Error::sys(Operation::MakeDirectory, Syscall::Mkdirat, errno).with_argument(path));
            }
        }
    }
}
