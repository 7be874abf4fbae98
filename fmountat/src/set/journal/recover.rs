// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Recovers from killed sets: undoes the mounts and directories of the journal, nothing else.

use crate::error::{Error, ErrorKind, Errors, Operation, Result, Syscall};
use crate::mountinfo;
use crate::mountinfo::id::{MountId, MountinfoId, UniqueMountId};
use crate::set::journal::directory::{boot_id, namespace, namespace_id, open_directory, remove};
use crate::set::journal::journal::Journal;
use crate::set::journal::record::{Line, VERSION};
use crate::table::count::mounts_of;
use crate::table::namespace::NamespaceRef;
use crate::table::published::PublishedSet;
use crate::table::unmount::Unmount;
use crate::trace;
use crate::vfs::detach::make_private;
use crate::vfs::features::Features;
use crate::vfs::identity::is_mount_root;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The result of [`Journal::clean`].
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Recovered {
    /// The mounts that were unmounted, and their mount points.
    pub unmounted: Vec<(MountId, PathBuf)>,
    /// The directories that were removed, by rmdir(2).
    pub removed: Vec<PathBuf>,
    /// Mount points on which a helper was mounting and where something is mounted now. The entry
    /// has no id for that mount, so it may belong to another process and is left in place. Check
    /// it, then unmount it.
    pub uncertain: Vec<PathBuf>,
    /// The number of entries whose writer is alive or whose mounts are in another mount namespace.
    /// They are kept.
    pub skipped: usize,
    /// The errors. The entry is kept for the next attempt.
    pub errors: Vec<Error>,
}

impl Journal {
    /// Unmounts what killed sets left behind, newest first: each mount by its unique id \[Linux
    /// 6.8\], on older kernels by its mountinfo id and mount point. Then removes the directories
    /// that were created for them. Entries of an earlier boot are removed.
    ///
    /// Errors are in [`Recovered::errors`]: [`ErrorKind::Busy`] for a mount that is in use, hidden
    /// by another mount, or has another one in it; [`ErrorKind::Permission`]; those of reading an
    /// entry.
    #[must_use]
    pub fn clean(&self) -> Recovered {
        let mut recovered = Recovered::default();
        for path in &self.directories {
            match recovered.directory(path) {
                Err(error) if error.raw_errno() == Some(Errno::NOENT) => {}
                // Ignores a directory of another user. Root of a user namespace sees the one of the
                // host's root, and root may have the $XDG_RUNTIME_DIR of a user. None of our
                // entries is there.
                Err(_) if is_of_another_user(path) => {}
                done => recovered.errors.extend(done.err()),
            }
        }
        recovered
    }
}

fn is_of_another_user(path: &Path) -> bool {
    rustix::fs::lstat(path).is_ok_and(|stat| stat.st_uid != rustix::process::geteuid().as_raw())
}

impl Recovered {
    fn directory(&mut self, path: &Path) -> Result<()> {
        let dir = open_directory(path)?;
        let entries = Dir::read_from(&dir)
            .map_err(|e| Error::sys(Operation::ReadNotes, Syscall::Getdents64, e).with_argument(path))?;
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().to_str() else { continue };
            if name.starts_with('.') {
                continue;
            }
            let entry = path.join(name);
            match self.entry(&dir, name) {
                Ok(true) => remove(path, &dir, name),
                Ok(false) => {}
                Err(error) => self.errors.push(error.with_argument_if_none(entry)),
            }
        }
        // A process that was killed before it wrote an entry left an empty directory.
        let _ = rustix::fs::unlinkat(rustix::fs::CWD, path, AtFlags::REMOVEDIR);
        Ok(())
    }

    /// Recovers one entry. Returns whether it can be removed.
    fn entry(&mut self, dir: &OwnedFd, name: &str) -> Result<bool> {
        let named = |call, errno| Error::sys(Operation::ReadNote, call, errno);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(dir, name, flags, Mode::empty()) {
            // The writer removed it in the meantime.
            Err(Errno::NOENT) => return Ok(false),
            opened => opened.map_err(|e| named(Syscall::Openat, e))?,
        };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::AGAIN) => {
                self.skipped += 1;
                return Ok(false);
            }
            Err(errno) => return Err(named(Syscall::Flock, errno)),
        }
        let text = {
            use std::io::Read;
            let mut text = Vec::new();
            let mut file = std::fs::File::from(
                file.try_clone().map_err(|e| Error::from_io(Operation::ReadNote, name, e))?,
            );
            file.read_to_end(&mut text).map_err(|e| Error::from_io(Operation::ReadNote, name, e))?;
            text
        };
        match read(&text)? {
            Parsed::Stale => Ok(true),
            Parsed::OtherNamespace => {
                self.skipped += 1;
                Ok(false)
            }
            Parsed::Lines(lines) => Ok(self.lines(lines)),
        }
    }

    /// Undoes the lines of one entry. Returns whether all mounts are unmounted.
    fn lines(&mut self, lines: Vec<Line>) -> bool {
        let errors = self.errors.len();
        lines.iter().for_each(make_peer_private);
        let (mut directories, mut recorded) = (Vec::new(), Vec::new());
        for line in lines.into_iter().rev() {
            match line {
                Line::Begin { .. } => {}
                Line::Mount { id, at, .. } => {
                    recorded.push(at.clone());
                    self.unmount(MountId::from_number(id), at);
                }
                Line::Tree { id, newest, mounts, at, .. } => {
                    recorded.push(at.clone());
                    self.unmount_tree(
                        MountId::from_number(id),
                        newest.and_then(UniqueMountId::from_number),
                        mounts,
                        at,
                    );
                }
                // The helper's mount has a line of its own if the helper succeeded.
                Line::Mounting { at } if recorded.contains(&at) => {}
                Line::Mounting { at } => self.uncertain(at),
                Line::Directory { at, device, inode } => directories.push((at, device, inode)),
            }
        }
        let is_clean = self.errors.len() == errors;
        for (at, device, inode) in directories.into_iter().filter(|_| is_clean) {
            self.rmdir(at, device, inode);
        }
        is_clean
    }

    fn unmount(&mut self, id: MountId, at: PathBuf) {
        // Another mount may have this id now.
        if matches!(id, MountId::Mountinfo(number) if !is_at(number, &at)) {
            return;
        }
        self.record_unmount(id, at, short_unmount().run_id(id).map_err(Errors::from));
    }

    /// Unmounts all mounts of a published tree in one call. Without unique ids, this requires that
    /// the tree has as many mounts as were recorded, so that none of them belongs to another
    /// process.
    fn unmount_tree(
        &mut self,
        id: MountId,
        newest: Option<UniqueMountId>,
        mounts: Option<usize>,
        at: PathBuf,
    ) {
        let done = match id {
            MountId::Unique(_) if newest.is_some() => PublishedSet::at(id, newest)
                .and_then(|set| short_unmount().run_set(&set))
                .map_err(Errors::from),
            MountId::Mountinfo(root) if is_at(root, &at) && mounts.is_some() && mounts_of(root) == mounts => {
                short_unmount().recursive(true).run(&at)
            }
            _ => return self.unmount(id, at),
        };
        self.record_unmount(id, at, done);
    }

    fn record_unmount(&mut self, id: MountId, at: PathBuf, done: std::result::Result<(), Errors>) {
        match done {
            Ok(()) => {
                trace::recovered("mount", &at);
                self.unmounted.push((id, at));
            }
            Err(errors) => {
                let is_there = |error: &Error| error.kind() != ErrorKind::NotMounted;
                self.errors.extend(errors.into_iter().filter(is_there));
            }
        }
    }

    fn uncertain(&mut self, at: PathBuf) {
        let is_mounted = |table: Vec<mountinfo::MountEntry>| table.iter().any(|entry| entry.target == at);
        if mountinfo::read().is_ok_and(is_mounted) {
            self.uncertain.push(at);
        }
    }

    /// Removes the directory if it is the one that was created, and empty.
    fn rmdir(&mut self, at: PathBuf, device: u64, inode: u64) {
        let is_it = rustix::fs::lstat(&at).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (device, inode));
        if is_it && rustix::fs::unlinkat(rustix::fs::CWD, &at, AtFlags::REMOVEDIR).is_ok() {
            trace::recovered("directory", &at);
            self.removed.push(at);
        }
    }
}

/// Makes a mount that may be a peer of a mount that is not ours private, with all mounts in it.
/// Otherwise unmounting those below it would propagate to that mount.
fn make_peer_private(line: &Line) {
    let (Line::Mount { id, at, has_peers: true } | Line::Tree { id, at, has_peers: true, .. }) = line else {
        return;
    };
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = rustix::fs::openat(rustix::fs::CWD, at, flags, Mode::empty());
    let Ok(root) = root else { return };
    let is_it = MountId::of(root.as_fd()).is_ok_and(|seen| seen.get() == *id);
    if is_it && is_mount_root(root.as_fd()).unwrap_or(false) {
        // If it fails, the unmount that follows reports the error.
        let _ = make_private(root.as_fd());
    }
}

/// Limits the retries of a busy mount, which may remain busy.
fn short_unmount() -> Unmount {
    Unmount::new().timeout(Duration::from_millis(500))
}

enum Parsed {
    /// The entry is from an earlier boot or an ended namespace, or has no complete first line.
    Stale,
    /// The entry is from another mount namespace.
    OtherNamespace,
    Lines(Vec<Line>),
}

/// Reports whether this is our mount namespace: by its inode number, and by its unique id if both
/// ids are known.
fn is_our_namespace(namespace_inode: u64, id: Option<u64>) -> bool {
    let is_same = |id| namespace_id().is_none_or(|own| own == id);
    Some(namespace_inode) == namespace() && id.is_none_or(is_same)
}

/// Reports whether the namespace has ended, and its mounts with it. Only a process in the initial
/// user namespace can find out.
fn has_ended(id: u64) -> bool {
    Features::get().initial_user_namespace
        && NamespaceRef::of_id(id).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// Parses an entry. An incomplete last line is ignored: it was written before its mount was
/// attached.
fn read(text: &[u8]) -> Result<Parsed> {
    let unknown = || {
        Error::new(ErrorKind::Spec, Operation::ReadNote, "has a format that this release does not support")
            .with_hint("run `clean` of the release that wrote it, or remove the file")
    };
    let complete = text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    let lines = complete.map(|line| Line::of(&line[..line.len() - 1]).ok_or_else(unknown));
    let lines = lines.collect::<Result<Vec<Line>>>()?;
    match lines.first() {
        None => Ok(Parsed::Stale),
        Some(Line::Begin { boot, .. }) if Some(boot) != boot_id().as_ref() => Ok(Parsed::Stale),
        Some(Line::Begin { version, .. }) if *version != VERSION => Err(unknown()),
        Some(Line::Begin { namespace: of, namespace_id: id, .. }) if !is_our_namespace(*of, *id) => {
            Ok(if id.is_some_and(has_ended) { Parsed::Stale } else { Parsed::OtherNamespace })
        }
        Some(Line::Begin { .. }) => Ok(Parsed::Lines(lines)),
        Some(_) => Err(unknown()),
    }
}

/// Parses an entry and writes its lines again, for the fuzzers. Returns `None` for an entry that
/// does not apply here.
#[cfg(any(test, fuzzing))]
pub(crate) fn written(text: &[u8]) -> Result<Option<Vec<Vec<u8>>>> {
    Ok(match read(text)? {
        Parsed::Lines(lines) => Some(lines.iter().map(Line::text).collect()),
        Parsed::Stale | Parsed::OtherNamespace => None,
    })
}

/// Returns the first line of an entry of this boot and mount namespace, for the fuzzers. `None`
/// without /proc.
#[cfg(any(test, fuzzing))]
pub(crate) fn begun_here() -> Option<Vec<u8>> {
    let (namespace, namespace_id) = (namespace()?, namespace_id());
    let target = Path::new("/srv").into();
    let line = Line::Begin { version: VERSION, boot: boot_id()?, namespace, namespace_id, pid: 1, target };
    Some(line.text())
}

/// Reports whether the mount is at that mount point. mountinfo ids are reused, so both must match.
fn is_at(id: MountinfoId, at: &Path) -> bool {
    let is_it = |entry: &mountinfo::MountEntry| entry.id == id && entry.target == at;
    mountinfo::read().is_ok_and(|table| table.iter().any(is_it))
}
