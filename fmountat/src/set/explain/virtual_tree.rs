// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a set would look like: paths in it are followed through the mounts so far, with nothing mounted.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags, ResolveFlags, StatVfsMountFlags};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

/// As the kernel has it: more links than these are ELOOP.
const LINKS: usize = 40;

/// What a mount shows.
#[derive(Debug)]
pub(crate) enum Content {
    /// Directories over each other, topmost first; one alone for a bind.
    Layers(Vec<OwnedFd>),
    /// A new file system without a file.
    Empty,
    /// An image, proc, what a helper mounts: it would have to be mounted to be looked into.
    Unknown,
    /// A file.
    File,
}

#[derive(Debug)]
struct Mounted {
    content: Content,
    is_read_only: bool,
    /// A bind shows what is mounted in its source only where it is recursive.
    crosses: bool,
}

/// Bytes of a component that the kernel's file systems take.
const NAME_MAX: usize = 255;

/// The set so far.
#[derive(Debug, Default)]
pub(crate) struct Sketch {
    /// The topmost mount on each place, by its path without links.
    mounts: BTreeMap<PathBuf, Mounted>,
    /// Mount points that would be made, and whether they are directories.
    made: BTreeMap<PathBuf, bool>,
}

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It is there: its path without links, and whether it is a directory; `None` where that can't be told.
    There(PathBuf, Option<bool>),
    /// The errno of looking it up.
    Not(Errno),
}

/// One name in one directory.
enum Node {
    Directory,
    File,
    Link(PathBuf),
    Missing,
    Unknown,
    Refused(Errno),
}

impl Sketch {
    /// Puts a mount on `place`, which was found.
    pub(crate) fn mount(&mut self, place: PathBuf, content: Content, is_read_only: bool, crosses: bool) {
        let above: Vec<PathBuf> =
            self.mounts.keys().filter(|path| path.starts_with(&place)).cloned().collect();
        // What was mounted below is hidden now.
        for path in above {
            self.mounts.remove(&path);
        }
        self.made.retain(|path, _| !path.starts_with(&place) || *path == place);
        self.mounts.insert(place, Mounted { content, is_read_only, crosses });
    }

    /// Follows a path inside the set.
    pub(crate) fn find(&self, path: &Path) -> Place {
        let mut at = PathBuf::from("/");
        let mut todo: Vec<PathBuf> = parts(path);
        let (mut links, mut kind) = (0, Some(true));
        while let Some(part) = todo.pop() {
            if part == Path::new("/") {
                at = PathBuf::from("/");
                kind = Some(true);
                continue;
            }
            if kind == Some(false) {
                return Place::Not(Errno::NOTDIR);
            }
            if part == Path::new("..") {
                at.pop();
                kind = Some(true);
                continue;
            }
            match self.look(&at, part.as_os_str()) {
                Node::Directory => (kind, at) = (Some(true), at.join(&part)),
                Node::File => (kind, at) = (Some(false), at.join(&part)),
                Node::Unknown => (kind, at) = (None, at.join(&part)),
                Node::Missing => return Place::Not(Errno::NOENT),
                Node::Refused(errno) => return Place::Not(errno),
                Node::Link(to) => {
                    links += 1;
                    if links > LINKS {
                        return Place::Not(Errno::LOOP);
                    }
                    todo.extend(parts(&to));
                    kind = Some(true);
                }
            }
        }
        Place::There(at, kind)
    }

    /// Makes what is missing of a path, as `X-mount.mkdir` would; gives its place, or the errno of the first directory that
    /// could not be made.
    pub(crate) fn make(&mut self, path: &Path, is_dir: bool) -> Result<PathBuf, Errno> {
        let mut walked = PathBuf::from("/");
        let names: Vec<&OsStr> = path
            .components()
            .filter_map(|part| match part {
                Component::Normal(name) => Some(name),
                Component::ParentDir => Some(OsStr::new("..")),
                _ => None,
            })
            .collect();
        // What was made a moment ago has nothing in it.
        let mut is_new = false;
        for (at, name) in names.iter().enumerate() {
            let next = walked.join(name);
            let found = match is_new && *name != ".." {
                true => Place::Not(Errno::NOENT),
                false => self.find(&next),
            };
            is_new = false;
            match found {
                Place::Not(Errno::NOENT) if name.len() > NAME_MAX => return Err(Errno::NAMETOOLONG),
                Place::There(found, _) => walked = found,
                Place::Not(Errno::NOENT) => {
                    self.may_make_in(&walked)?;
                    self.made.insert(next.clone(), is_dir || at + 1 < names.len());
                    is_new = true;
                    walked = next;
                }
                Place::Not(errno) => return Err(errno),
            }
        }
        Ok(walked)
    }

    fn may_make_in(&self, directory: &Path) -> Result<(), Errno> {
        let Some((mounted, inside)) = self.holder(directory) else { return Ok(()) };
        if mounted.is_read_only {
            return Err(Errno::ROFS);
        }
        let Content::Layers(layers) = &mounted.content else { return Ok(()) };
        // An overlay makes it in its upper, and may copy its parents up.
        let [one] = layers.as_slice() else { return Ok(()) };
        if self.made.contains_key(directory) {
            return Ok(());
        }
        let Ok(parent) = open(one, &inside, mounted.crosses) else { return Ok(()) };
        if rustix::fs::fstatvfs(&parent).is_ok_and(|stat| stat.f_flag.contains(StatVfsMountFlags::RDONLY)) {
            return Err(Errno::ROFS);
        }
        rustix::fs::accessat(&parent, c".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
    }

    /// The mount that a path is on, and the path in it.
    fn holder(&self, path: &Path) -> Option<(&Mounted, PathBuf)> {
        let (point, mounted) = path.ancestors().find_map(|above| self.mounts.get_key_value(above))?;
        Some((mounted, path.strip_prefix(point).unwrap_or(path).to_owned()))
    }

    fn look(&self, directory: &Path, name: &OsStr) -> Node {
        let path = directory.join(name);
        if let Some(mounted) = self.mounts.get(&path) {
            return match mounted.content {
                Content::File => Node::File,
                _ => Node::Directory,
            };
        }
        if let Some(is_dir) = self.made.get(&path) {
            return if *is_dir { Node::Directory } else { Node::File };
        }
        let Some((mounted, inside)) = self.holder(&path) else { return Node::Missing };
        match &mounted.content {
            Content::Empty => Node::Missing,
            Content::Unknown => Node::Unknown,
            Content::File => Node::Refused(Errno::NOTDIR),
            Content::Layers(layers) => in_layers(layers, &inside, mounted.crosses),
        }
    }
}

/// Its components, last first.
fn parts(path: &Path) -> Vec<PathBuf> {
    let part = |component| match component {
        Component::RootDir => Some(PathBuf::from("/")),
        Component::Normal(name) => Some(PathBuf::from(name)),
        Component::ParentDir => Some(PathBuf::from("..")),
        Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().rev().filter_map(part).collect()
}

/// A path without links in the union of the layers, as overlayfs.rst has it: the topmost layer that has it tells, down to a
/// whiteout or an opaque directory on the way, or anything that is no directory where a higher one has one.
fn in_layers(layers: &[OwnedFd], path: &Path, crosses: bool) -> Node {
    // How many components are directories in a higher layer.
    let mut merged = 0;
    for layer in layers {
        let mut depth = 0;
        let mut walked = PathBuf::new();
        let mut hides = false;
        for component in path.components() {
            walked.push(component);
            let found = match open(layer, &walked, crosses) {
                // A mount that a bind does not show: its mount point is a directory all the same, or a file.
                Err(Errno::XDEV) => return if walked == path { Node::Directory } else { Node::Unknown },
                Err(Errno::NOENT) => break,
                Err(errno) => return Node::Refused(errno),
                Ok(found) => found,
            };
            let Ok(stat) = rustix::fs::fstat(&found) else { return Node::Unknown };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::CharacterDevice if stat.st_rdev == 0 && layers.len() > 1 => return Node::Missing,
                FileType::Directory if walked == path => return Node::Directory,
                FileType::Directory => {
                    depth += 1;
                    hides |= layers.len() > 1 && is_opaque(&found);
                }
                _ if depth < merged => return Node::Missing,
                FileType::Symlink if walked == path => {
                    let link = rustix::fs::readlinkat(&found, c"", Vec::new());
                    return link.map_or(Node::Unknown, |to| Node::Link(path_of(to.as_bytes())));
                }
                _ if walked == path => return Node::File,
                _ => return Node::Refused(Errno::NOTDIR),
            }
        }
        merged = merged.max(depth);
        if hides {
            return Node::Missing;
        }
    }
    Node::Missing
}

fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(OsStr::from_bytes(bytes))
}

fn open(layer: &OwnedFd, path: &Path, crosses: bool) -> Result<OwnedFd, Errno> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    resolve.set(ResolveFlags::NO_XDEV, !crosses);
    match rustix::fs::openat2(layer, path, flags, Mode::empty(), resolve) {
        Err(Errno::LOOP) => {
            rustix::fs::openat2(layer, path, flags, Mode::empty(), resolve - ResolveFlags::NO_SYMLINKS)
        }
        Err(Errno::NOSYS | Errno::PERM) => rustix::fs::openat(layer, path, flags, Mode::empty()),
        opened => opened,
    }
}

fn is_opaque(directory: &OwnedFd) -> bool {
    let Ok(opened) =
        rustix::fs::openat(directory.as_fd(), c".", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
    else {
        return false;
    };
    [c"trusted.overlay.opaque", c"user.overlay.opaque"].into_iter().any(|name| {
        let mut value = [0u8; 1];
        rustix::fs::fgetxattr(&opened, name, &mut value).is_ok() && value == *b"y"
    })
}
