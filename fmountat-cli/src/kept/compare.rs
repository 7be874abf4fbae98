// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Compares an upper directory with the layers below it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// What happened to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Added,
    Changed,
    Removed,
    /// Another type of file has its name.
    Replaced,
}

impl Change {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::Replaced => "replaced",
        }
    }
}

/// A changed path.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    pub(crate) change: Change,
    /// The type of the new file, or of the one that is removed.
    pub(crate) kind: &'static str,
    /// Its size in bytes, for files.
    pub(crate) size: Option<u64>,
    /// The new file in the kept directory.
    pub(crate) file: Option<PathBuf>,
    /// What has changed: `content`, `mode`, `owner`, `time`.
    pub(crate) what: Vec<&'static str>,
}

/// Walks an upper directory.
pub(crate) struct Comparison {
    /// `user.overlay.opaque` or `trusted.overlay.opaque`.
    opaque: &'static str,
    pub(crate) entries: Vec<Entry>,
}

/// A directory that exists in the upper directory.
struct Merged<'a> {
    /// Its path in the root.
    path: &'a Path,
    upper: &'a Path,
    /// The directories of the layers below it.
    lowers: Vec<PathBuf>,
}

impl Comparison {
    pub(crate) fn new(in_user_namespace: bool) -> Self {
        let opaque = if in_user_namespace { "user.overlay.opaque" } else { "trusted.overlay.opaque" };
        Self { opaque, entries: Vec::new() }
    }

    /// Adds the changes of the overlay on `target`.
    pub(crate) fn overlay(&mut self, target: &Path, upper: &Path, lowers: Vec<PathBuf>) -> io::Result<()> {
        self.directory(&Merged { path: target, upper, lowers })
    }

    fn directory(&mut self, place: &Merged<'_>) -> io::Result<()> {
        let mut names = names(place.upper)?;
        if self.is_opaque(place.upper)? {
            for lower in &place.lowers {
                names.extend(crate::kept::compare::names(lower).unwrap_or_default());
            }
        }
        names.iter().try_for_each(|name| self.entry(place, name))
    }

    fn entry(&mut self, place: &Merged<'_>, name: &OsString) -> io::Result<()> {
        let (path, upper) = (place.path.join(name), place.upper.join(name));
        let below: Vec<PathBuf> = place.lowers.iter().map(|lower| lower.join(name)).collect();
        let old = below.iter().find_map(|lower| Some((lower.clone(), lower.symlink_metadata().ok()?)));
        let new = match upper.symlink_metadata() {
            Ok(new) if !is_whiteout(&new) => new,
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {
                if let Some((lower, old)) = old {
                    self.removed(&path, &lower, &old);
                }
                return Ok(());
            }
        };
        let kind = kind(&new);
        let mut entry =
            Entry { path, change: Change::Added, kind, size: size(&new), file: Some(upper), what: vec![] };
        match &old {
            None => {}
            Some((lower, old)) if self::kind(old) != kind => {
                entry.change = Change::Replaced;
                self.below_removed(&entry.path, lower, old);
            }
            Some((lower, old)) => {
                entry.change = Change::Changed;
                entry.what = differences(lower, old, entry.file.as_deref().unwrap_or(lower), &new)?;
            }
        }
        let (path, upper) = (entry.path.clone(), entry.file.clone().unwrap_or_default());
        if entry.change != Change::Changed || !entry.what.is_empty() {
            self.entries.push(entry);
        }
        if !new.is_dir() {
            return Ok(());
        }
        let is_merged = old.is_some_and(|(_, old)| old.is_dir());
        let lowers =
            if is_merged { below.into_iter().filter(|lower| lower.is_dir()).collect() } else { Vec::new() };
        self.directory(&Merged { path: &path, upper: &upper, lowers })
    }

    fn removed(&mut self, path: &Path, lower: &Path, old: &Metadata) {
        let (kind, size) = (kind(old), size(old));
        let path = path.to_owned();
        self.entries.push(Entry {
            path: path.clone(),
            change: Change::Removed,
            kind,
            size,
            file: None,
            what: vec![],
        });
        self.below_removed(&path, lower, old);
    }

    fn below_removed(&mut self, path: &Path, lower: &Path, old: &Metadata) {
        if !old.is_dir() {
            return;
        }
        for name in names(lower).unwrap_or_default() {
            let lower = lower.join(&name);
            if let Ok(old) = lower.symlink_metadata() {
                self.removed(&path.join(&name), &lower, &old);
            }
        }
    }

    fn is_opaque(&self, directory: &Path) -> io::Result<bool> {
        let mut value = [0; 8];
        match rustix::fs::lgetxattr(directory, self.opaque, &mut value[..]) {
            Ok(length) => Ok(value.get(..length) == Some(b"y")),
            Err(rustix::io::Errno::NODATA | rustix::io::Errno::NOTSUP | rustix::io::Errno::RANGE) => {
                Ok(false)
            }
            Err(errno) => Err(errno.into()),
        }
    }
}

fn names(directory: &Path) -> io::Result<BTreeSet<OsString>> {
    std::fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name())).collect()
}

/// Reports whether it marks a removed file: a character device 0:0.
fn is_whiteout(meta: &Metadata) -> bool {
    meta.file_type().is_char_device() && meta.rdev() == 0
}

fn kind(meta: &Metadata) -> &'static str {
    let kind = meta.file_type();
    match () {
        () if kind.is_dir() => "directory",
        () if kind.is_file() => "file",
        () if kind.is_symlink() => "link",
        () if kind.is_fifo() => "pipe",
        () if kind.is_socket() => "socket",
        () if kind.is_block_device() => "block device",
        () => "character device",
    }
}

fn size(meta: &Metadata) -> Option<u64> {
    meta.is_file().then_some(meta.len())
}

/// Lists what differs. The time of a directory changes with its entries and is not compared.
fn differences(old: &Path, before: &Metadata, new: &Path, after: &Metadata) -> io::Result<Vec<&'static str>> {
    let mut what = Vec::new();
    let has_content = before.is_file() || before.is_symlink();
    if has_content && !has_same_content(old, before, new, after)? || before.rdev() != after.rdev() {
        what.push("content");
    }
    if before.mode() != after.mode() {
        what.push("mode");
    }
    if (before.uid(), before.gid()) != (after.uid(), after.gid()) {
        what.push("owner");
    }
    let times = |meta: &Metadata| (meta.mtime(), meta.mtime_nsec());
    if !before.is_dir() && times(before) != times(after) {
        what.push("time");
    }
    Ok(what)
}

fn has_same_content(old: &Path, before: &Metadata, new: &Path, after: &Metadata) -> io::Result<bool> {
    if before.is_symlink() {
        return Ok(std::fs::read_link(old)? == std::fs::read_link(new)?);
    }
    if before.len() != after.len() {
        return Ok(false);
    }
    let (mut old, mut new) = (File::open(old)?, File::open(new)?);
    let (mut one, mut other) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let length = old.read(&mut one)?;
        if length == 0 {
            return Ok(new.read(&mut other)? == 0);
        }
        match new.read_exact(&mut other[..length]) {
            Ok(()) if one[..length] == other[..length] => {}
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}
