// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Makes bind mounts of directories and files, detached, with all their attributes.

use crate::error::{Error, ErrorKind, Operation, Result, escape};
use crate::mountinfo;
use crate::mountinfo::id::{MountId, id_mask};
use crate::sys::procfs::{Paths, path_of};
use crate::sys::statmount::{MNT_BASIC, statmount};
use crate::trace;
use crate::vfs::attr::{MOUNT_ATTR_IDMAP, MountAttr, Propagation, set_tree_attr};
use crate::vfs::features::Features;
use crate::vfs::host_view::{CROWD, HostDirectory, HostFile};
use crate::vfs::identity::mounted_type;
use crate::vfs::private_namespace::PrivateNamespace;
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The cost of one bind, in walks over the source's child mounts: 44 ns for each mount. One overlay
/// layer costs one walk, 22 ns.
const BIND_WALKS: usize = 2;

/// The arguments of a bind mount.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bind<'a> {
    /// The directory that a relative source is resolved from.
    pub(crate) dir: BorrowedFd<'a>,
    pub(crate) source: &'a Path,
    pub(crate) recursive: bool,
    /// Whether it may be made in the private namespace. Others cannot be mounted in such a tree,
    /// nor copied out of it: the kernel allows that only in the namespace that the copy was made in
    /// \[Linux 6.15\].
    pub(crate) may_be_of_view: bool,
    /// The attributes of the top mount.
    pub(crate) attr: MountAttr,
    /// The attributes of all mounts in the tree.
    pub(crate) recursive_attr: MountAttr,
    /// Whether the whole tree becomes a slave before the attributes are set.
    pub(crate) is_slave_first: bool,
    /// The user namespace of the id mapping, and whether it applies to the whole tree.
    pub(crate) idmap: Option<(BorrowedFd<'a>, bool)>,
}

impl Bind<'_> {
    /// Makes a detached bind mount. It is private unless a propagation option is set: a copy of a
    /// shared mount would be its peer, and mounts in the copy would appear on the host.
    pub(crate) fn mount(&self, features: &Features, private: &PrivateNamespace) -> Result<Tree> {
        let tree = self.copy(features, private)?;
        let (top, mut whole) = (self.attr, self.recursive_attr);
        if top.propagation.is_none() && whole.propagation.is_none() {
            whole.propagation = Some(Propagation::Private);
        }
        if self.is_slave_first {
            let slave = MountAttr { propagation: Some(Propagation::Slave), ..MountAttr::default() };
            tree.set_attr(&slave, self.recursive).map_err(|e| e.with_argument(self.source))?;
        }
        set_tree_attr(tree.root(), &top, &whole, self.recursive)
            .map_err(|e| e.with_operation(Operation::SetMountAttributesOf).with_argument(self.source))?;
        Ok(tree)
    }

    fn copy(&self, features: &Features, private: &PrivateNamespace) -> Result<Tree> {
        let Self { dir, source, recursive, .. } = *self;
        match self.idmap {
            Some((userns, whole)) => {
                let mapped = match whole == recursive {
                    true => Tree::clone_idmapped(dir, source, recursive, userns),
                    false => Tree::clone_of(dir, source, recursive).and_then(|tree| {
                        tree.set_idmap(userns, whole).map_err(|e| e.with_argument(source))?;
                        Ok(tree)
                    }),
                };
                mapped.map_err(|error| name_unmappable(error, self, userns, whole))
            }
            // An error must name the source as the caller did.
            None => match self.copy_in_view(features, private) {
                Some(Ok(tree)) => Ok(tree),
                _ => Tree::clone_of(dir, source, recursive),
            },
        }
    }

    /// Copies the source in the private namespace, if the source's mount has many child mounts.
    /// Returns `None` otherwise, for a recursive bind mount, and for a shared or slave one, which
    /// must be cloned from the mount itself.
    fn copy_in_view(&self, features: &Features, private: &PrivateNamespace) -> Option<Result<Tree>> {
        let propagation = [self.attr.propagation, self.recursive_attr.propagation];
        let is_related = |to: &Option<_>| matches!(to, Some(Propagation::Shared | Propagation::Slave));
        if !features.private_namespace
            || !self.may_be_of_view
            || self.recursive
            || propagation.iter().any(is_related)
        {
            return None;
        }
        let found = rustix::fs::statx(self.dir, self.source, AtFlags::EMPTY_PATH, id_mask()).ok()?;
        let mount = MountId::from_number(found.stx_mnt_id).unique()?;
        if !private.views.is_crowded(mount.get(), CROWD) || !private.is_worth(BIND_WALKS) {
            return None;
        }
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let source = rustix::fs::openat(self.dir, self.source, flags, Mode::empty()).ok()?;
        let file = HostFile::of(&Paths::new().ok()?, source.as_fd()).ok()?;
        let directory = HostDirectory::of(&private.views, source.as_fd(), &file.path).ok()?;
        trace::strategy("bind", "in the private mount namespace");
        Some(private.run(|inside| {
            let view = inside.view(directory)?;
            inside.show(Some(&view))?;
            let found = file.open_in_view()?;
            Tree::clone_of(&found, "", false)
        }))
    }
}

/// Names the mount of the tree that cannot be id-mapped, and why. The kernel refuses the whole tree
/// without naming one.
fn name_unmappable(error: Error, bind: &Bind<'_>, userns: BorrowedFd<'_>, whole: bool) -> Error {
    if error.kind() != ErrorKind::Unsupported || error.raw_errno() != Some(Errno::INVAL) {
        return error;
    }
    let open =
        |path: &Path| rustix::fs::openat(bind.dir, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok();
    let mut tree = vec![bind.source.to_owned()];
    if let Some(top) = open(bind.source).filter(|_| whole).and_then(|top| path_of(top.as_fd()).ok()) {
        let table = mountinfo::read().unwrap_or_default();
        let below = table.into_iter().map(|entry| entry.target);
        tree.extend(below.filter(|target| *target != top && target.starts_with(&top)));
    }
    let refused = tree.into_iter().find(|path| {
        Tree::clone_of(bind.dir, path, false).is_ok_and(|tree| tree.set_idmap(userns, false).is_err())
    });
    let Some(path) = refused else { return error };
    let mount = open(&path);
    let fstype = mount.as_ref().and_then(|mount| mounted_type(mount.as_fd()).ok());
    let reason = match (is_idmapped(mount), fstype) {
        (true, _) => String::from("is id-mapped already, and can't be id-mapped again"),
        (false, Some(fstype)) => {
            format!("can't be id-mapped: its file system is {}", escape(fstype.as_bytes()))
        }
        (false, None) => return error.with_argument(path),
    };
    error.with_argument(path).with_reason(reason)
}

/// Reports whether the mount is id-mapped: statmount(2) \[Linux 6.8\], else false.
fn is_idmapped(mount: Option<OwnedFd>) -> bool {
    let id = mount.and_then(|mount| MountId::of(mount.as_fd()).ok()?.unique());
    let basic = id.and_then(|id| statmount(id.get(), MNT_BASIC).ok()?.basic);
    basic.is_some_and(|basic| basic.attr & MOUNT_ATTR_IDMAP != 0)
}
