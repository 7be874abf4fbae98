// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `JournalEntry`: the lines of an entry, and how they are written.

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

/// One line of an entry: fields separated by a space. The path is the last field; spaces and line
/// ends in it are escaped as in proc_pid_mountinfo(5). `-` means unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// The first line: the mount namespace and the target of the set.
    Begin {
        version: u32,
        boot: String,
        /// The inode number of the mount namespace. A later namespace may have the same.
        namespace: u64,
        /// The unique id of the mount namespace, never reused \[Linux 6.11\].
        namespace_id: Option<u64>,
        pid: u32,
        target: PathBuf,
    },
    /// A mount that is attached, or about to be.
    Mount { id: u64, at: PathBuf, has_peers: bool },
    /// A tree that is attached, or about to be: its root, and, if known, its newest mount and the
    /// number of its mounts.
    Tree { id: u64, newest: Option<u64>, mounts: Option<usize>, at: PathBuf, has_peers: bool },
    /// A mount point on which a helper is about to mount. The mount has no id yet.
    Mounting { at: PathBuf },
    /// A directory created for a mount point.
    Directory { at: PathBuf, device: u64, inode: u64 },
}

pub(crate) const VERSION: u32 = 2;

impl Line {
    /// Returns the line without its newline.
    pub(crate) fn text(&self) -> Vec<u8> {
        let optional = |number: Option<u64>| number.map_or_else(|| String::from("-"), |n| n.to_string());
        let peers = |has_peers: &bool| if *has_peers { "peers" } else { "-" };
        let (fields, path) = match self {
            Self::Begin { version, boot, namespace, namespace_id, pid, target } => {
                (format!("begin {version} {boot} {namespace} {} {pid}", optional(*namespace_id)), target)
            }
            Self::Mount { id, at, has_peers } => (format!("mount {id} {}", peers(has_peers)), at),
            Self::Tree { id, newest, mounts, at, has_peers } => {
                let mounts = mounts.and_then(|mounts| u64::try_from(mounts).ok());
                (format!("tree {id} {} {} {}", optional(*newest), optional(mounts), peers(has_peers)), at)
            }
            Self::Mounting { at } => (String::from("mounting"), at),
            Self::Directory { at, device, inode } => (format!("directory {device} {inode}"), at),
        };
        let mut text = [fields.as_bytes(), b" "].concat();
        for byte in path.as_os_str().as_bytes() {
            match byte {
                b' ' | b'\t' | b'\n' | b'\\' => text.extend(format!("\\{byte:03o}").as_bytes()),
                byte => text.push(*byte),
            }
        }
        text
    }

    /// Parses a line. Returns `None` for one that this release does not write.
    pub(crate) fn of(text: &[u8]) -> Option<Self> {
        let (fields, path) = text.split_at(text.iter().rposition(|byte| *byte == b' ')?);
        let mut path = path[1..].to_vec();
        let length = unescape_in_place(&mut path);
        path.truncate(length);
        let at = PathBuf::from(OsString::from_vec(path));
        let fields: Vec<&str> = std::str::from_utf8(fields).ok()?.split(' ').collect();
        let has_peers = fields.last() == Some(&"peers");
        Some(match fields[..] {
            ["begin", version, boot, namespace, id, pid] => Self::Begin {
                version: version.parse().ok()?,
                boot: boot.to_owned(),
                namespace: namespace.parse().ok()?,
                namespace_id: optional(id)?,
                pid: pid.parse().ok()?,
                target: at,
            },
            ["mount", id, "-" | "peers"] => Self::Mount { id: id.parse().ok()?, at, has_peers },
            ["tree", id, newest, mounts, "-" | "peers"] => Self::Tree {
                id: id.parse().ok()?,
                newest: optional(newest)?,
                mounts: optional(mounts)?,
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

/// Parses a number, or `-` for none.
fn optional<N: FromStr>(field: &str) -> Option<Option<N>> {
    if field == "-" { Some(None) } else { field.parse().ok().map(Some) }
}

/// An entry that is being written.
#[derive(Debug)]
pub(crate) struct JournalEntry {
    path: PathBuf,
    dir: OwnedFd,
    name: String,
    file: OwnedFd,
}

/// The number of attempts: another process may remove the empty directory, or the entry before it
/// is locked.
const TRIES: usize = 16;

impl JournalEntry {
    pub(crate) fn begin(path: &Path, target: &Path) -> Result<Self> {
        let named = |call, errno| Error::sys(Operation::WriteNote, call, errno).with_argument(path);
        let (Some(boot), Some(namespace)) = (boot_id(), namespace()) else {
            return Err(
                named(Syscall::Openat, Errno::NOENT).with_reason("/proc does not say which boot this is")
            );
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

    /// Creates and locks an entry. Returns `None` if the name is taken, or if another process
    /// removed the entry before it was locked.
    fn create(path: &Path, dir: OwnedFd) -> Result<Option<Self>, Errno> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::APPEND | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&dir, &name, flags, Mode::RUSR | Mode::WUSR) {
            // The entry of an earlier process with our pid.
            Err(Errno::EXIST) => return Ok(None),
            opened => opened?,
        };
        rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
        if rustix::fs::fstat(&file)?.st_nlink == 0 {
            return Ok(None);
        }
        Ok(Some(Self { path: path.to_owned(), dir, name, file }))
    }

    /// Records the mount at `root`, right before it is attached on `place`. `has_peers`: it, or a
    /// mount in it, may be a peer of a mount that is not ours, so that an unmount would propagate
    /// to that one.
    pub(crate) fn mount(&self, root: BorrowedFd<'_>, place: BorrowedFd<'_>, has_peers: bool) {
        if let Ok(id) = MountId::of(root) {
            self.add(&Line::Mount { id: id.get(), at: path_of(place), has_peers });
        }
    }

    /// Records the mount at `root` with all mounts in it. They are attached, so that they can be
    /// counted.
    pub(crate) fn with_all_below(&self, root: BorrowedFd<'_>, place: BorrowedFd<'_>, has_peers: bool) {
        let Ok(id) = MountId::of(root) else { return };
        let newest = PublishedSet::at(id, None).ok().and_then(|set| set.mounts().max());
        let mounts = match id {
            MountId::Mountinfo(id) if newest.is_none() => mounts_of(id),
            _ => None,
        };
        self.root_of(root, newest, mounts, place, has_peers);
    }

    /// Records a tree by its root, with the unique id of its newest mount or else the number of its
    /// mounts, if known.
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

    /// Records that a helper is about to mount on `place`.
    pub(crate) fn mounting(&self, place: BorrowedFd<'_>) {
        self.add(&Line::Mounting { at: path_of(place) });
    }

    /// Records the directories that were created.
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

    /// Removes the entry: the set is complete or rolled back.
    pub(crate) fn remove(self) {
        remove(&self.path, &self.dir, &self.name);
    }

    /// Writes a line. A failure is ignored: it must not prevent the mount.
    fn add(&self, line: &Line) {
        let _ = self.write(line);
    }

    fn write(&self, line: &Line) -> Result<(), Errno> {
        let mut text = line.text();
        text.push(b'\n');
        // One write(2), so that a line is written as a whole or not at all.
        match rustix::io::write(&self.file, &text)? {
            length if length == text.len() => Ok(()),
            _ => Err(Errno::NOSPC),
        }
    }
}

/// Returns the path of a descriptor's file from /proc. Empty if /proc does not show it.
fn path_of(fd: BorrowedFd<'_>) -> PathBuf {
    procfs::path_of(fd).unwrap_or_default()
}
