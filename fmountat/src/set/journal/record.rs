// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One note: the lines that it has, and how they are written.

use crate::error::{Error, Operation, Result, Syscall};
use crate::mountinfo::id::{MountId, UniqueMountId};
use crate::mountinfo::record::unescape_in_place;
use crate::set::journal::directory::{boot_id, namespace, namespace_id, open_directory, remove};
use crate::sys::procfs;
use crate::table::count::mounts_of;
use crate::table::published::PublishedSet;
use crate::vfs::created_dirs::CreatedDirs;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

/// One line of a note: words with a space between, the path last, in which spaces and line ends are escaped as in
/// proc_pid_mountinfo(5). `-` is for what is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// The first line: whose mounts they are.
    Begin {
        version: u32,
        boot: String,
        /// The inode number of the mount namespace, which a later one may have again.
        namespace: u64,
        /// Its id, which none has again \[Linux 6.11\].
        namespace_id: Option<u64>,
        pid: u32,
        target: PathBuf,
    },
    /// About to be attached, or attached.
    Mount { id: u64, at: PathBuf, has_peers: bool },
    /// The same of a tree: its root, and the newest mount of it and how many it has, where that is known.
    Tree { id: u64, newest: Option<u64>, mounts: Option<usize>, at: PathBuf, has_peers: bool },
    /// About to be mounted by a helper, whose mount has no id yet.
    Mounting { at: PathBuf },
    /// Made for a mount point.
    Directory { at: PathBuf, device: u64, inode: u64 },
}

pub(crate) const VERSION: u32 = 2;

impl Line {
    /// The line without its end.
    pub(crate) fn text(&self) -> Vec<u8> {
        let known = |number: Option<u64>| number.map_or_else(|| String::from("-"), |n| n.to_string());
        let peers = |has_peers: &bool| if *has_peers { "peers" } else { "-" };
        let (words, path) = match self {
            Self::Begin { version, boot, namespace, namespace_id, pid, target } => {
                (format!("begin {version} {boot} {namespace} {} {pid}", known(*namespace_id)), target)
            }
            Self::Mount { id, at, has_peers } => (format!("mount {id} {}", peers(has_peers)), at),
            Self::Tree { id, newest, mounts, at, has_peers } => {
                let mounts = mounts.and_then(|mounts| u64::try_from(mounts).ok());
                (format!("tree {id} {} {} {}", known(*newest), known(mounts), peers(has_peers)), at)
            }
            Self::Mounting { at } => (String::from("mounting"), at),
            Self::Directory { at, device, inode } => (format!("directory {device} {inode}"), at),
        };
        let mut text = [words.as_bytes(), b" "].concat();
        for byte in path.as_os_str().as_bytes() {
            match byte {
                b' ' | b'\t' | b'\n' | b'\\' => text.extend(format!("\\{byte:03o}").as_bytes()),
                byte => text.push(*byte),
            }
        }
        text
    }

    /// The line that has this text; `None` for one that this release does not write.
    pub(crate) fn of(text: &[u8]) -> Option<Self> {
        let (words, path) = text.split_at(text.iter().rposition(|byte| *byte == b' ')?);
        let mut path = path[1..].to_vec();
        let length = unescape_in_place(&mut path);
        path.truncate(length);
        let at = PathBuf::from(OsString::from_vec(path));
        let words: Vec<&str> = std::str::from_utf8(words).ok()?.split(' ').collect();
        let has_peers = words.last() == Some(&"peers");
        Some(match words[..] {
            ["begin", version, boot, namespace, id, pid] => Self::Begin {
                version: version.parse().ok()?,
                boot: boot.to_owned(),
                namespace: namespace.parse().ok()?,
                namespace_id: known(id)?,
                pid: pid.parse().ok()?,
                target: at,
            },
            ["mount", id, "-" | "peers"] => Self::Mount { id: id.parse().ok()?, at, has_peers },
            ["tree", id, newest, mounts, "-" | "peers"] => Self::Tree {
                id: id.parse().ok()?,
                newest: known(newest)?,
                mounts: known(mounts)?,
                at,
                has_peers,
            },
            ["mounting"] => Self::Mounting { at },
            ["directory", device, inode] => {
                Self::Directory { at, device: device.parse().ok()?, inode: inode.parse().ok()? }
            }
            _ => return None,
        })
    }
}

/// A number, or `-` for none.
fn known<N: FromStr>(word: &str) -> Option<Option<N>> {
    if word == "-" { Some(None) } else { word.parse().ok().map(Some) }
}

/// A note that is being written.
#[derive(Debug)]
pub(crate) struct JournalEntry {
    path: PathBuf,
    dir: OwnedFd,
    name: String,
    file: OwnedFd,
}

/// Another process may take the directory, or the note before it is locked, away for empty.
const TRIES: usize = 16;

impl JournalEntry {
    pub(crate) fn begin(path: &Path, target: &Path) -> Result<Self> {
        let named = |call, errno| Error::sys(Operation::WriteNote, call, errno).with_argument(path);
        let (Some(boot), Some(namespace)) = (boot_id(), namespace()) else {
            return Err(named(Syscall::Openat, Errno::NOENT)
                .with_reason("/proc does not show the boot id and mount namespace"));
        };
        let pid = std::process::id();
        let namespace_id = namespace_id();
        let begin =
            Line::Begin { version: VERSION, boot, namespace, namespace_id, pid, target: target.into() };
        for _ in 0..TRIES {
            match rustix::fs::mkdirat(CWD, path, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(named(Syscall::Mkdirat, errno)),
            }
            let opened = open_directory(path)
                .and_then(|dir| Self::create(path, dir).map_err(|e| named(Syscall::Openat, e)));
            match opened {
                Ok(Some(entry)) => {
                    entry.write(&begin).map_err(|e| named(Syscall::Write, e))?;
                    return Ok(entry);
                }
                Ok(None) => {}
                Err(error) if error.raw_errno() == Some(Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
        }
        Err(named(Syscall::Openat, Errno::AGAIN))
    }

    /// `None` where somebody cleaned it away before it was locked.
    fn create(path: &Path, dir: OwnedFd) -> Result<Option<Self>, Errno> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::APPEND | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&dir, &name, flags, Mode::RUSR | Mode::WUSR) {
            // Of an earlier process with our number.
            Err(Errno::EXIST) => return Ok(None),
            opened => opened?,
        };
        rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
        if rustix::fs::fstat(&file)?.st_nlink == 0 {
            return Ok(None);
        }
        Ok(Some(Self { path: path.to_owned(), dir, name, file }))
    }

    /// The mount with this root is about to be attached on `place`. With `has_peers` it, or one in it, may be a peer of a mount
    /// that is not ours, from where all in it would go with it.
    pub(crate) fn mount(&self, root: BorrowedFd<'_>, place: BorrowedFd<'_>, has_peers: bool) {
        if let Ok(id) = MountId::of(root) {
            self.add(&Line::Mount { id: id.get(), at: path_of(place), has_peers });
        }
    }

    /// The mount with this root and all in it, which are mounted somewhere, so that they can be counted.
    pub(crate) fn with_all_below(&self, root: BorrowedFd<'_>, place: BorrowedFd<'_>, has_peers: bool) {
        let Ok(id) = MountId::of(root) else { return };
        let newest = PublishedSet::at(id, None).ok().and_then(|set| set.mounts().max());
        let mounts = match id {
            MountId::Mountinfo(id) if newest.is_none() => mounts_of(id),
            _ => None,
        };
        self.root_of(root, newest, mounts, place, has_peers);
    }

    /// The same with its newest mount, or else how many it has, where that is known.
    pub(crate) fn root_of(
        &self,
        root: BorrowedFd<'_>,
        newest: Option<UniqueMountId>,
        mounts: Option<usize>,
        place: BorrowedFd<'_>,
        has_peers: bool,
    ) {
        if let Ok(id) = MountId::of(root) {
            let (newest, at) = (newest.map(UniqueMountId::get), path_of(place));
            self.add(&Line::Tree { id: id.get(), newest, mounts, at, has_peers });
        }
    }

    /// Something is about to be mounted on `place` that can't be told yet.
    pub(crate) fn mounting(&self, place: BorrowedFd<'_>) {
        self.add(&Line::Mounting { at: path_of(place) });
    }

    /// Directories that were made.
    pub(crate) fn directories(&self, made: &CreatedDirs) {
        made.each(|parent, name| {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let opened = rustix::fs::openat(parent, name, flags, Mode::empty());
            let found = opened.and_then(|fd| Ok((path_of(fd.as_fd()), rustix::fs::fstat(&fd)?)));
            if let Ok((at, stat)) = found {
                self.add(&Line::Directory { at, device: stat.st_dev, inode: stat.st_ino });
            }
        });
    }

    /// Nothing is left that it would have to tell of.
    pub(crate) fn remove(self) {
        remove(&self.path, &self.dir, &self.name);
    }

    /// A line that can't be written is no reason not to mount.
    fn add(&self, line: &Line) {
        let _ = self.write(line);
    }

    fn write(&self, line: &Line) -> Result<(), Errno> {
        let mut text = line.text();
        text.push(b'\n');
        // One write: a line is there as a whole or not at all.
        match rustix::io::write(&self.file, &text)? {
            length if length == text.len() => Ok(()),
            _ => Err(Errno::NOSPC),
        }
    }
}

/// Where a descriptor's file is, as the kernel names it; empty where /proc does not say.
fn path_of(fd: BorrowedFd<'_>) -> PathBuf {
    procfs::path_of(fd).unwrap_or_default()
}
