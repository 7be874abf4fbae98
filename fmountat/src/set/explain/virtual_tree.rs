// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A virtual tree of a set: resolves paths through mounts without mounting anything.
//!
//! The tree has a node for each name that was looked up. Each directory is looked up once, in the
//! layers that contain its parent.

use crate::vfs::dangling::LINKS;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags, ResolveFlags, StatVfsMountFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

/// The maximum length of a name in bytes, in the kernel's file systems.
const NAME_MAX: usize = 255;

/// The content of a mount.
#[derive(Debug)]
pub(crate) enum Content {
    /// Overlaid directories, topmost first. A bind has one.
    Layers(Vec<OwnedFd>),
    /// A new file system without files.
    Empty,
    /// Content that only mounting would show: an image, proc, a helper's mount.
    Unknown,
    /// A file.
    File,
}

#[derive(Debug)]
struct Mounted {
    content: Content,
    is_read_only: bool,
    /// Whether lookups cross into mounts below the source. For a bind, only if it is recursive.
    crosses: bool,
}

/// The index of a node.
pub(crate) type NodeId = usize;

/// The root directory of the set.
pub(crate) const ROOT: NodeId = 0;

#[derive(Debug)]
struct Node {
    parent: NodeId,
    /// The topmost mount of this node, and the node's path in it, without symbolic links.
    mounted: Rc<Mounted>,
    inside: PathBuf,
    kind: Kind,
    children: HashMap<OsString, NodeId>,
}

#[derive(Debug)]
enum Kind {
    /// A directory in these layers of the mount, topmost first.
    Directory(Vec<usize>),
    /// A directory that would be created.
    Created,
    /// The mount point of a mount that a bind does not include: a directory or a file.
    MountPoint,
    File,
    /// A file or directory that only mounting would show.
    Unknown,
}

/// The result of looking up one name in one directory.
enum Lookup {
    Node(Kind),
    Link(PathBuf),
}

/// The set so far.
#[derive(Debug)]
pub(crate) struct VirtualTree {
    nodes: Vec<Node>,
}

impl Default for VirtualTree {
    fn default() -> Self {
        let nothing = Mounted { content: Content::Empty, is_read_only: false, crosses: false };
        Self { nodes: vec![Node::root_of(nothing, ROOT)] }
    }
}

impl Node {
    fn root_of(mounted: Mounted, parent: NodeId) -> Self {
        let kind = match &mounted.content {
            Content::Layers(layers) => Kind::Directory((0..layers.len()).collect()),
            Content::Empty | Content::Unknown => Kind::Directory(Vec::new()),
            Content::File => Kind::File,
        };
        let (mounted, inside) = (Rc::new(mounted), PathBuf::new());
        Self { parent, mounted, inside, kind, children: HashMap::new() }
    }

    fn child(&self, parent: NodeId, name: &OsStr, kind: Kind) -> Self {
        let (mounted, inside) = (Rc::clone(&self.mounted), self.inside.join(name));
        Self { parent, mounted, inside, kind, children: HashMap::new() }
    }
}

impl VirtualTree {
    /// Attaches a mount at `place`, a node of this tree. It hides the node that was there.
    pub(crate) fn mount(&mut self, place: NodeId, content: Content, is_read_only: bool, crosses: bool) {
        let mounted = Mounted { content, is_read_only, crosses };
        self.nodes[place] = Node::root_of(mounted, self.nodes[place].parent);
    }

    /// Reports whether the node is a directory. `None` if unknown.
    pub(crate) fn is_dir(&self, place: NodeId) -> Option<bool> {
        match self.nodes[place].kind {
            Kind::Directory(_) | Kind::Created | Kind::MountPoint => Some(true),
            Kind::File => Some(false),
            Kind::Unknown => None,
        }
    }

    /// Resolves a path inside the set. Fails with the errno of the lookup.
    pub(crate) fn find(&mut self, path: &Path) -> Result<NodeId, Errno> {
        self.walk(ROOT, path, LINKS)
    }

    /// Resolves a path inside the set. Fails with ELOOP if it contains a symbolic link.
    pub(crate) fn find_without_links(&mut self, path: &Path) -> Result<NodeId, Errno> {
        self.walk(ROOT, path, 0)
    }

    fn walk(&mut self, start: NodeId, path: &Path, mut links_left: usize) -> Result<NodeId, Errno> {
        let mut at = start;
        let mut todo = parts(path);
        while let Some(part) = todo.pop() {
            if part == Path::new("/") {
                at = ROOT;
                continue;
            }
            if self.is_dir(at) == Some(false) {
                return Err(Errno::NOTDIR);
            }
            if part == Path::new("..") {
                at = self.nodes[at].parent;
                continue;
            }
            let name = part.as_os_str();
            if let Some(id) = self.nodes[at].children.get(name) {
                at = *id;
                continue;
            }
            match self.nodes[at].look_up(name)? {
                Lookup::Node(kind) => at = self.add(at, name, kind),
                Lookup::Link(_) if links_left == 0 => return Err(Errno::LOOP),
                Lookup::Link(to) => {
                    links_left -= 1;
                    todo.extend(parts(&to));
                }
            }
        }
        Ok(at)
    }

    fn add(&mut self, parent: NodeId, name: &OsStr, kind: Kind) -> NodeId {
        let place = self.nodes.len();
        self.nodes.push(self.nodes[parent].child(parent, name, kind));
        self.nodes[parent].children.insert(name.to_owned(), place);
        place
    }

    /// Creates the missing parts of a path, as `X-mount.mkdir` would. Returns its node. Fails with
    /// the errno of the first directory that could not be created.
    pub(crate) fn make(&mut self, path: &Path, is_dir: bool) -> Result<NodeId, Errno> {
        let mut at = ROOT;
        let mut names = parts(path);
        while let Some(part) = names.pop() {
            let name = part.as_os_str();
            at = match self.walk(at, &part, LINKS) {
                Err(Errno::NOENT) if name.len() > NAME_MAX => return Err(Errno::NAMETOOLONG),
                Err(Errno::NOENT) => {
                    self.nodes[at].may_create()?;
                    let kind = if is_dir || !names.is_empty() { Kind::Created } else { Kind::File };
                    self.add(at, name, kind)
                }
                found => found?,
            };
        }
        Ok(at)
    }
}

impl Node {
    /// Checks whether a directory can be created in it.
    fn may_create(&self) -> Result<(), Errno> {
        if self.mounted.is_read_only {
            return Err(Errno::ROFS);
        }
        let (Content::Layers(layers), Kind::Directory(_)) = (&self.mounted.content, &self.kind) else {
            return Ok(());
        };
        // An overlay creates it in its upper, and may copy up its parents.
        let [one] = layers.as_slice() else { return Ok(()) };
        let Ok(parent) = open(one, &self.inside, self.mounted.crosses) else { return Ok(()) };
        if rustix::fs::fstatvfs(&parent).is_ok_and(|stat| stat.f_flag.contains(StatVfsMountFlags::RDONLY)) {
            return Err(Errno::ROFS);
        }
        rustix::fs::accessat(&parent, c".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
    }

    /// Looks up a name in this directory, in the union of the layers, as overlayfs.rst defines it.
    /// The topmost layer with that name decides its type. Lower layers are merged until a whiteout,
    /// an opaque directory, or a non-directory below a directory.
    fn look_up(&self, name: &OsStr) -> Result<Lookup, Errno> {
        let (Content::Layers(layers), Kind::Directory(merged)) = (&self.mounted.content, &self.kind) else {
            return match (&self.mounted.content, &self.kind) {
                (Content::Unknown, _) | (_, Kind::Unknown | Kind::MountPoint) => {
                    Ok(Lookup::Node(Kind::Unknown))
                }
                _ => Err(Errno::NOENT),
            };
        };
        let (path, is_union) = (self.inside.join(name), layers.len() > 1);
        let mut has = Vec::new();
        for at in merged {
            let found = match open(&layers[*at], &path, self.mounted.crosses) {
                Err(Errno::XDEV) => return Ok(Lookup::Node(Kind::MountPoint)),
                Err(Errno::NOENT) => continue,
                Err(errno) if has.is_empty() => return Err(errno),
                // The error occurs only for a lookup that reaches this layer.
                Err(_) => {
                    has.push(*at);
                    break;
                }
                Ok(found) => found,
            };
            let Ok(stat) = rustix::fs::fstat(&found) else { return Ok(Lookup::Node(Kind::Unknown)) };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => {
                    has.push(*at);
                    if is_union && is_opaque(&found) {
                        break;
                    }
                }
                _ if !has.is_empty() => break,
                FileType::CharacterDevice if stat.st_rdev == 0 && is_union => break,
                FileType::Symlink => {
                    return Ok(match rustix::fs::readlinkat(&found, c"", Vec::new()) {
                        Ok(to) => Lookup::Link(path_of(to.as_bytes())),
                        Err(_) => Lookup::Node(Kind::Unknown),
                    });
                }
                _ => return Ok(Lookup::Node(Kind::File)),
            }
        }
        if has.is_empty() { Err(Errno::NOENT) } else { Ok(Lookup::Node(Kind::Directory(has))) }
    }
}

/// Returns the components of the path, last first.
fn parts(path: &Path) -> Vec<PathBuf> {
    let part = |component| match component {
        Component::RootDir => Some(PathBuf::from("/")),
        Component::Normal(name) => Some(PathBuf::from(name)),
        Component::ParentDir => Some(PathBuf::from("..")),
        Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().rev().filter_map(part).collect()
}

fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(OsStr::from_bytes(bytes))
}

fn open(layer: &OwnedFd, path: &Path, crosses: bool) -> Result<OwnedFd, Errno> {
    #[cfg(test)]
    tests::OPENED.set(tests::OPENED.get() + 1);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! {
        /// The number of lookups in layers.
        pub(super) static OPENED: Cell<usize> = const { Cell::new(0) };
    }

    fn layers(dir: &Path, count: usize) -> Content {
        let layer = |n: usize| {
            let layer = dir.join(n.to_string());
            std::fs::create_dir_all(layer.join("srv/all")).ok()?;
            Some(OwnedFd::from(std::fs::File::open(layer).ok()?))
        };
        Content::Layers((0..count).filter_map(layer).collect())
    }

    /// Resolves and creates the paths of a mount list in an overlay. The last two directories of
    /// each path are new. Returns the number of lookups.
    fn opened_layers(dir: &Path, count: usize, mounts: usize) -> usize {
        OPENED.set(0);
        let mut tree = VirtualTree::default();
        tree.mount(ROOT, layers(dir, count), false, true);
        for n in 0..mounts {
            let path = PathBuf::from(format!("/srv/all/{n}/data"));
            assert_eq!(tree.find(&path), Err(Errno::NOENT));
            let place = tree.make(&path, true);
            tree.mount(place.unwrap_or(ROOT), Content::Empty, false, true);
            assert_eq!(tree.find(&path), place);
        }
        OPENED.get()
    }

    #[test]
    fn each_mount_of_a_list_costs_the_same() {
        let dir = std::env::temp_dir().join(format!("fmountat-virtual-tree-{}", std::process::id()));
        let (one, two, deep) =
            (opened_layers(&dir, 1, 1000), opened_layers(&dir, 1, 2000), opened_layers(&dir, 500, 10));
        let _ = std::fs::remove_dir_all(&dir);
        // `srv` and `all` are opened once; each new name when it is resolved, and when it is
        // created.
        assert_eq!(one, 2 + 3 * 1000);
        assert_eq!(two, 2 + 3 * 2000);
        assert!(deep <= 500 * (2 + 2 * 10), "{deep}");
    }

    #[test]
    fn a_mount_hides_what_was_made_below() {
        let mut tree = VirtualTree::default();
        let created = tree.make(Path::new("/a/b/c"), false);
        assert_eq!(tree.find(Path::new("/x/../a/./b/../b/c")), Err(Errno::NOENT));
        assert_eq!(tree.find(Path::new("/a/../a/./b/../b/c")), created);
        assert_eq!(created.map(|place| tree.is_dir(place)), Ok(Some(false)));
        assert_eq!(tree.find(Path::new("/a/b/c/d")), Err(Errno::NOTDIR));
        let a = tree.find(Path::new("a"));
        tree.mount(a.unwrap_or(ROOT), Content::Unknown, true, false);
        let inside = tree.find(Path::new("/a/b/c"));
        assert_eq!(inside.map(|place| tree.is_dir(place)), Ok(None));
        assert_eq!(tree.find(Path::new("/a/b/../../..")), Ok(ROOT));
    }
}
