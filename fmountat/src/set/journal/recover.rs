// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What notes tell of that is still there, and its end: those very mounts, those very directories, nothing else.

use crate::error::{Error, ErrorKind, Errors, Operation, Result, Syscall};
use crate::mountinfo;
use crate::mountinfo::id::{MountId, MountinfoId, UniqueMountId};
use crate::set::journal::directory::{boot_id, namespace, namespace_id, open_directory, remove};
use crate::set::journal::journal::Journal;
use crate::set::journal::record::{Line, VERSION};
use crate::table::count::mounts_of;
use crate::table::namespace::Place;
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

/// What [`Journal::clean`] did, and what it could not do.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Recovered {
    /// The mounts that were taken away, and where they were.
    pub unmounted: Vec<(MountId, PathBuf)>,
    /// The directories that were taken away, by rmdir(2).
    pub removed: Vec<PathBuf>,
    /// Places where a mount helper was at work, whose mount has no number in the note, and where something is
    /// mounted now. It may be somebody else's, so it is left: look, and unmount it.
    pub uncertain: Vec<PathBuf>,
    /// Notes whose writer is at work, or whose mounts are in another mount namespace. They stay as they are.
    pub skipped: usize,
    /// What failed. The note stays, for the next time.
    pub errors: Vec<Error>,
}

impl Journal {
    /// Takes away what sets that were killed half way have left: each mount by its unique id \[Linux 6.8\], before that by its
    /// number and place, newest first, and the directories that were made for them. Notes of an earlier boot tell of
    /// nothing any more, and go.
    ///
    /// Errors are in [`Recovered::errors`]: [`ErrorKind::Busy`] for a mount that is in use, or hidden, or has another one in it;
    /// [`ErrorKind::Permission`]; those of reading a note.
    #[must_use]
    pub fn clean(&self) -> Recovered {
        let mut cleaned = Recovered::default();
        for path in &self.directories {
            match cleaned.directory(path) {
                Err(error) if error.raw_errno() == Some(Errno::NOENT) => {}
                // Root of a user namespace sees real root's, and root may have a user's $XDG_RUNTIME_DIR: none of ours there.
                Err(_) if is_of_another_user(path) => {}
                done => cleaned.errors.extend(done.err()),
            }
        }
        cleaned
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
        // Who was killed before it had a note has left the directory alone.
        let _ = rustix::fs::unlinkat(rustix::fs::CWD, path, AtFlags::REMOVEDIR);
        Ok(())
    }

    /// Whether the note is done with.
    fn entry(&mut self, dir: &OwnedFd, name: &str) -> Result<bool> {
        let named = |call, errno| Error::sys(Operation::ReadNote, call, errno);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(dir, name, flags, Mode::empty()) {
            // Done meanwhile.
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
            Told::Nothing => Ok(true),
            Told::Elsewhere => {
                self.skipped += 1;
                Ok(false)
            }
            Told::Lines(lines) => Ok(self.lines(lines)),
        }
    }

    /// Whether everything that the lines tell of is gone.
    fn lines(&mut self, lines: Vec<Line>) -> bool {
        let errors = self.errors.len();
        lines.iter().for_each(cut_off);
        let (mut directories, mut later) = (Vec::new(), Vec::new());
        for line in lines.into_iter().rev() {
            match line {
                Line::Begin { .. } => {}
                Line::Mount { id, at, .. } => {
                    later.push(at.clone());
                    self.unmount(MountId::from_number(id), at);
                }
                Line::Tree { id, newest, mounts, at, .. } => {
                    later.push(at.clone());
                    self.unmount_tree(
                        MountId::from_number(id),
                        newest.and_then(UniqueMountId::from_number),
                        mounts,
                        at,
                    );
                }
                // A mount follows where all went well with it.
                Line::Mounting { at } if later.contains(&at) => {}
                Line::Mounting { at } => self.uncertain(at),
                Line::Directory { at, device, inode } => directories.push((at, device, inode)),
            }
        }
        let is_gone = self.errors.len() == errors;
        for (at, device, inode) in directories.into_iter().filter(|_| is_gone) {
            self.rmdir(at, device, inode);
        }
        is_gone
    }

    fn unmount(&mut self, id: MountId, at: PathBuf) {
        // Another mount may have the number now.
        if matches!(id, MountId::Mountinfo(number) if !is_at(number, &at)) {
            return;
        }
        self.done(id, at, soon().run_id(id).map_err(Errors::from));
    }

    /// All mounts of a published tree, in one call; without unique ids each, if the tree has as many as it was made of, so that
    /// none of them is somebody else's.
    fn unmount_tree(
        &mut self,
        id: MountId,
        newest: Option<UniqueMountId>,
        mounts: Option<usize>,
        at: PathBuf,
    ) {
        let done = match id {
            MountId::Unique(_) if newest.is_some() => {
                PublishedSet::at(id, newest).and_then(|set| soon().run_set(&set)).map_err(Errors::from)
            }
            MountId::Mountinfo(root) if is_at(root, &at) && mounts.is_some() && mounts_of(root) == mounts => {
                soon().recursive(true).run(&at)
            }
            _ => return self.unmount(id, at),
        };
        self.done(id, at, done);
    }

    fn done(&mut self, id: MountId, at: PathBuf, done: std::result::Result<(), Errors>) {
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

    /// The directory that was made, if it is still there and empty.
    fn rmdir(&mut self, at: PathBuf, device: u64, inode: u64) {
        let is_it = rustix::fs::lstat(&at).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (device, inode));
        if is_it && rustix::fs::unlinkat(rustix::fs::CWD, &at, AtFlags::REMOVEDIR).is_ok() {
            trace::recovered("directory", &at);
            self.removed.push(at);
        }
    }
}

/// What may be a peer of a mount that is not ours is made private, with all in it: unmounting what is below it would unmount what
/// is below that one too.
fn cut_off(line: &Line) {
    let (Line::Mount { id, at, has_peers: true } | Line::Tree { id, at, has_peers: true, .. }) = line else {
        return;
    };
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = rustix::fs::openat(rustix::fs::CWD, at, flags, Mode::empty());
    let Ok(root) = root else { return };
    let is_it = MountId::of(root.as_fd()).is_ok_and(|seen| seen.get() == *id);
    if is_it && is_mount_root(root.as_fd()).unwrap_or(false) {
        // A failure is that of the unmounting which follows.
        let _ = make_private(root.as_fd());
    }
}

/// What is in use is not waited for: it may stay so.
fn soon() -> Unmount {
    Unmount::new().timeout(Duration::from_millis(500))
}

enum Told {
    /// Of an earlier boot, or it ends before it began.
    Nothing,
    /// Of another mount namespace.
    Elsewhere,
    Lines(Vec<Line>),
}

/// Whether it is this mount namespace: by the id, which no later one has, where both are known.
fn is_this(namespace_inode: u64, id: Option<u64>) -> bool {
    let is_same = |id| namespace_id().is_none_or(|own| own == id);
    Some(namespace_inode) == namespace() && id.is_none_or(is_same)
}

/// Whether the namespace has ended, and its mounts with it: who has privilege over all can tell.
fn is_gone(id: u64) -> bool {
    Features::get().initial_user_namespace
        && Place::of_id(id).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// The last line may be cut off: it was written before its mount was there.
fn read(text: &[u8]) -> Result<Told> {
    let unknown = || {
        Error::new(ErrorKind::Spec, Operation::ReadNote, "has a format that this release does not support")
            .with_hint("run `clean` of the release that wrote it, or remove the file")
    };
    let complete = text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    let lines = complete.map(|line| Line::of(&line[..line.len() - 1]).ok_or_else(unknown));
    let lines = lines.collect::<Result<Vec<Line>>>()?;
    match lines.first() {
        None => Ok(Told::Nothing),
        Some(Line::Begin { boot, .. }) if Some(boot) != boot_id().as_ref() => Ok(Told::Nothing),
        Some(Line::Begin { version, .. }) if *version != VERSION => Err(unknown()),
        Some(Line::Begin { namespace: of, namespace_id: id, .. }) if !is_this(*of, *id) => {
            Ok(if id.is_some_and(is_gone) { Told::Nothing } else { Told::Elsewhere })
        }
        Some(Line::Begin { .. }) => Ok(Told::Lines(lines)),
        Some(_) => Err(unknown()),
    }
}

/// The lines of a note as they would be written, for the fuzzers; `None` for one that tells of nothing here.
#[cfg(any(test, fuzzing))]
pub(crate) fn written(text: &[u8]) -> Result<Option<Vec<Vec<u8>>>> {
    Ok(match read(text)? {
        Told::Lines(lines) => Some(lines.iter().map(Line::text).collect()),
        Told::Nothing | Told::Elsewhere => None,
    })
}

/// The first line of a note of this boot and mount namespace, for the fuzzers; `None` without /proc.
#[cfg(any(test, fuzzing))]
pub(crate) fn begun_here() -> Option<Vec<u8>> {
    let (namespace, namespace_id) = (namespace()?, namespace_id());
    let target = Path::new("/srv").into();
    let line = Line::Begin { version: VERSION, boot: boot_id()?, namespace, namespace_id, pid: 1, target };
    Some(line.text())
}

/// Numbers of mountinfo are given again: the place must be the one that was written down.
fn is_at(id: MountinfoId, at: &Path) -> bool {
    let is_it = |entry: &mountinfo::MountEntry| entry.id == id && entry.target == at;
    mountinfo::read().is_ok_and(|table| table.iter().any(is_it))
}
