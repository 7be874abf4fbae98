// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Notes of sets that are mounted step by step: what `kill -9` in the middle would leave, for [`Notes::clean`] to find.
//!
//! A note is a file with a line of JSON for each mount and directory, written before the mount is attached, and gone when
//! the set is complete or taken back. Its writer holds a lock on it (flock(2)), which the kernel drops when it dies.

mod clean;
mod note;

pub use clean::Cleaned;
#[cfg(any(test, fuzzing))]
pub(crate) use clean::{begun_here, written};
pub(super) use note::Note;

use crate::error::{Error, Result};
use crate::sys::nsfs::mount_namespace_id;
use crate::table::mountinfo::{self, MountEntry};
use crate::vfs::bytes::descriptor_name;
use crate::vfs::identity::{MountId, mountinfo_id};
use crate::vfs::target::Target;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use std::path::{Path, PathBuf};

/// Where notes are kept of sets that can't be published in one step.
///
/// The detached way and a private namespace need none: there `kill -9` leaves nothing. Step by step (see [`Way`](crate::Way)),
/// and while a mount helper works, a note says what has been mounted so far. Where no directory can be written to, there
/// is no note.
///
/// ```no_run
/// let cleaned = fmountat::Notes::standard().clean();
/// for (id, place) in &cleaned.unmounted {
///     println!("{} was left at {}", id.get(), place.display());
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notes {
    directories: Vec<PathBuf>,
}

impl Notes {
    /// `/run/fmountat` for root, then `$XDG_RUNTIME_DIR/fmountat`. Both belong to the user alone (mode 0700), and go when they
    /// are empty.
    #[must_use]
    pub fn standard() -> Self {
        let of_root = rustix::process::geteuid().is_root().then(|| PathBuf::from("/run"));
        let of_user =
            std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
        let directories = of_root.into_iter().chain(of_user).map(|dir| dir.join("fmountat")).collect();
        Self { directories }
    }

    /// In this directory, whose parent must exist.
    #[must_use]
    pub fn in_directory(path: impl Into<PathBuf>) -> Self {
        Self { directories: vec![path.into()] }
    }

    /// Nowhere.
    #[must_use]
    pub fn none() -> Self {
        Self { directories: Vec::new() }
    }

    /// A new note, in the first directory that takes one.
    pub(super) fn begin(&self, target: &Path) -> Option<Note> {
        self.directories.iter().find_map(|path| Note::begin(path, target).ok())
    }
}

/// Opens the directory. What another user could have put there is not used.
fn open_directory(path: &Path) -> Result<OwnedFd> {
    let named = |call, errno| Error::sys("open the notes", call, errno).arg(path);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(|e| named("openat", e))?;
    let stat = rustix::fs::fstat(&dir).map_err(|e| named("fstat", e))?;
    let others = Mode::from_raw_mode(stat.st_mode).intersects(Mode::WGRP | Mode::WOTH);
    if stat.st_uid != rustix::process::geteuid().as_raw() || others {
        return Err(named("fstat", Errno::PERM).because("somebody else can write to this directory"));
    }
    Ok(dir)
}

/// Takes a note away, and the directory with the last one.
fn remove(path: &Path, dir: &OwnedFd, name: &str) {
    // Our own file, in a directory that nobody else can write to: the one thing that is ever unlinked.
    let _ = rustix::fs::unlinkat(dir, name, AtFlags::empty());
    let _ = rustix::fs::unlinkat(CWD, path, AtFlags::REMOVEDIR);
}

/// The running kernel's number, which no other boot has.
fn boot_id() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

/// The mount namespace of this thread, by its file's inode number.
fn namespace() -> Option<u64> {
    rustix::fs::stat("/proc/thread-self/ns/mnt").ok().map(|stat| stat.st_ino)
}

/// Its id \[Linux 6.11\].
fn namespace_id() -> Option<u64> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(CWD, "/proc/thread-self/ns/mnt", flags, Mode::empty()).ok()?;
    mount_namespace_id(file.as_fd()).ok()
}

/// How many mounts the one with this number of mountinfo and all in it are.
fn mounts_of(id: MountId) -> Option<usize> {
    Some(mountinfo::deepest_first(&mountinfo::read().ok()?, id.get()).len())
}

/// As [`mounts_in_copy`] of what is at `path`.
pub(super) fn mounts_in(dir: BorrowedFd<'_>, path: &Path) -> Option<usize> {
    mounts_in_copy(Target::open(dir, path).ok()?.as_fd())
}

/// How many a recursive copy has, before it is mounted.
pub(super) fn mounts_in_copy(source: BorrowedFd<'_>) -> Option<usize> {
    let id = mountinfo_id(source).ok()?;
    let inside = std::fs::read_link(descriptor_name(source)).ok()?;
    let table = mountinfo::read().ok()?;
    let is_copied =
        |entry: &&MountEntry| entry.id == id || entry.target.starts_with(&inside) && !entry.unbindable;
    Some(mountinfo::deepest_first(&table, id).into_iter().filter(is_copied).count())
}
