// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Everything that a file system says about a tree of files: read, compared, and given to a copy.

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The files of a tree by path. The first is the top directory, with an empty path.
pub(crate) type Tree = BTreeMap<PathBuf, Entry>;

/// One file of any type, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// For files only: the size and link count of a directory depend on the file system.
    size: Option<u64>,
    links: Option<u64>,
    pub(crate) mtime: (i64, i64),
    device: u64,
    symlink: Option<PathBuf>,
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The first of the paths that lead to the same file, for all but itself.
    pub(crate) hard_link: Option<PathBuf>,
}

impl Entry {
    pub(crate) fn file_type(&self) -> FileType {
        FileType::from_raw_mode(self.mode)
    }

    pub(crate) fn is_dir(&self) -> bool {
        self.file_type() == FileType::Directory
    }

    pub(crate) fn is_whiteout(&self) -> bool {
        self.file_type() == FileType::CharacterDevice && self.device == 0
    }

    /// Returns the size of the content in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        if self.file_type() == FileType::RegularFile { self.size.unwrap_or(0) } else { 0 }
    }
}

/// Reads the directory `base` and everything below.
pub(crate) fn read_tree(base: &Path) -> Tree {
    try_read_tree(base).unwrap_or_else(|e| panic!("read {}: {e}", base.display()))
}

/// Fails where a directory lists a name that cannot be opened: an overlay of layers that do not
/// belong together.
pub(crate) fn try_read_tree(base: &Path) -> io::Result<Tree> {
    let mut tree = BTreeMap::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(path) = pending.pop() {
        let at = base.join(&path);
        let entry = read_entry(&at).map_err(|e| io::Error::other(format!("{}: {e}", at.display())))?;
        if entry.0.is_dir() {
            for child in std::fs::read_dir(at)? {
                pending.push(path.join(child?.file_name()));
            }
        }
        tree.insert(path, entry);
    }
    Ok(name_hard_links(tree))
}

fn name_hard_links(tree: BTreeMap<PathBuf, (Entry, (u64, u64))>) -> Tree {
    let mut first = HashMap::new();
    let name = |(path, (mut entry, inode)): (PathBuf, (Entry, (u64, u64)))| {
        if entry.links.is_some_and(|links| links > 1) {
            let known = first.entry(inode).or_insert_with(|| path.clone());
            entry.hard_link = Some(known.clone()).filter(|known| *known != path);
        }
        (path, entry)
    };
    tree.into_iter().map(name).collect()
}

/// Returns an entry, and the device and inode number.
fn read_entry(path: &Path) -> io::Result<(Entry, (u64, u64))> {
    let meta = path.symlink_metadata()?;
    let of_files = |value| (!meta.is_dir()).then_some(value);
    let entry = Entry {
        mode: meta.mode(),
        uid: meta.uid(),
        gid: meta.gid(),
        size: of_files(meta.size()),
        links: of_files(meta.nlink()),
        mtime: (meta.mtime(), meta.mtime_nsec()),
        device: meta.rdev(),
        symlink: if meta.is_symlink() { Some(std::fs::read_link(path)?) } else { None },
        xattrs: read_xattrs(path)?,
        hard_link: None,
    };
    Ok((entry, (meta.dev(), meta.ino())))
}

fn read_xattrs(path: &Path) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut names = vec![0; 4096];
    let length = rustix::fs::llistxattr(path, &mut names[..])?;
    let names = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let with_value = |name: &[u8]| {
        let mut value = vec![0; 4096];
        let length = rustix::fs::lgetxattr(path, name, &mut value[..])?;
        value.truncate(length);
        Ok((name.to_owned(), value))
    };
    names.map(with_value).collect()
}

/// Makes `to` as a copy of `from`, which is not a directory, with its type, its content and the
/// metadata in `entry`.
pub(crate) fn copy(entry: &Entry, from: &Path, to: &Path) {
    match entry.file_type() {
        FileType::RegularFile => drop(std::fs::copy(from, to).unwrap()),
        FileType::Symlink => std::os::unix::fs::symlink(entry.symlink.as_ref().unwrap(), to).unwrap(),
        special => rustix::fs::mknodat(CWD, to, special, Mode::RUSR, entry.device).unwrap(),
    }
    dress(entry, to);
}

/// Gives the file at `path` the owner, mode, attributes and time of `entry`.
pub(crate) fn dress(entry: &Entry, path: &Path) {
    // In this order: a new owner drops setuid and capabilities, and every change updates the time.
    std::os::unix::fs::lchown(path, Some(entry.uid), Some(entry.gid)).unwrap();
    if entry.file_type() != FileType::Symlink {
        std::fs::set_permissions(path, PermissionsExt::from_mode(entry.mode & 0o7777)).unwrap();
    }
    for (name, value) in &entry.xattrs {
        set_xattr(path, OsStr::from_bytes(name), value);
    }
    set_mtime(path, entry.mtime);
}

pub(crate) fn set_xattr(path: &Path, name: impl AsRef<OsStr>, value: &[u8]) {
    let name = name.as_ref();
    rustix::fs::lsetxattr(path, name, value, XattrFlags::empty())
        .unwrap_or_else(|e| panic!("set {name:?} of {}: {e}", path.display()));
}

pub(crate) fn set_mtime(path: &Path, (tv_sec, tv_nsec): (i64, i64)) {
    let time = Timespec { tv_sec, tv_nsec };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// Compares two trees without the content of files. Returns a line for each path that differs.
pub(crate) fn differences(want: &Tree, got: &Tree) -> Vec<String> {
    let paths: BTreeSet<&PathBuf> = want.keys().chain(got.keys()).collect();
    let different = paths.into_iter().filter(|path| want.get(*path) != got.get(*path));
    different.map(|path| format!("{path:?}: {:?} in place of {:?}", got.get(path), want.get(path))).collect()
}

/// Returns the files of the tree that have other bytes below `got` than below `want`.
pub(crate) fn other_content(tree: &Tree, want: &Path, got: &Path) -> Vec<PathBuf> {
    let files = tree.iter().filter(|(_, entry)| entry.file_type() == FileType::RegularFile);
    let bytes = |base: &Path, path: &Path| std::fs::read(base.join(path)).unwrap();
    files.filter(|(path, _)| bytes(want, path) != bytes(got, path)).map(|(path, _)| path.clone()).collect()
}
