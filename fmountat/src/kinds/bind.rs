// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bind mounts of directories and files, finished in every attribute before anyone sees them.

use crate::error::{Operation, Result};
use crate::kinds::bind_clones::Crowds;
use crate::vfs::attr::{MountAttr, Propagation};
use crate::vfs::tree::Tree;
use rustix::fd::BorrowedFd;
use std::path::Path;

/// What is bound, and with which attributes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bind<'a> {
    /// Where a relative source starts.
    pub(crate) dir: BorrowedFd<'a>,
    pub(crate) source: &'a Path,
    pub(crate) recursive: bool,
    /// For the top mount.
    pub(crate) attr: MountAttr,
    /// For all mounts in it.
    pub(crate) recursive_attr: MountAttr,
    /// A user namespace, and whether it maps the whole tree or the top mount.
    pub(crate) idmap: Option<(BorrowedFd<'a>, bool)>,
}

impl Bind<'_> {
    /// The bind, detached. Without a propagation asked for it is private: a copy of a shared mount would be its peer, and
    /// what is mounted into the copy while it is being built would appear on the host.
    pub(crate) fn mount(&self, crowds: &Crowds) -> Result<Tree> {
        let tree = self.copy(crowds)?;
        let (mut whole, mut top) = (self.recursive_attr, self.attr);
        if top.propagation.is_none() && whole.propagation.is_none() {
            whole.propagation = Some(Propagation::Private);
        }
        let one_does = whole.set.is_empty()
            && whole.clear.is_empty()
            && (top.propagation.is_none() || whole.propagation.is_none());
        if !self.recursive && one_does {
            top.propagation = top.propagation.or(whole.propagation);
            whole.propagation = None;
        }
        let named = |e: crate::error::Error| {
            e.with_operation(Operation::SetMountAttributesOf).with_argument(self.source)
        };
        tree.set_attr(&whole, self.recursive).map_err(named)?;
        tree.set_attr(&top, false).map_err(named)?;
        Ok(tree)
    }

    fn copy(&self, crowds: &Crowds) -> Result<Tree> {
        let Self { dir, source, recursive, .. } = *self;
        match self.idmap {
            Some((userns, whole)) if whole == recursive => {
                Tree::clone_idmapped(dir, source, recursive, userns)
            }
            Some((userns, whole)) => {
                let tree = Tree::clone_of(dir, source, recursive)?;
                tree.set_idmap(userns, whole).map_err(|e| e.with_argument(source))?;
                Ok(tree)
            }
            // A failure is told of the source as it was named.
            None => match self.in_a_crowd(crowds).map(|found| Tree::clone_of(&found, "", false)) {
                Some(Ok(tree)) => Ok(tree),
                _ => Tree::clone_of(dir, source, recursive),
            },
        }
    }

    /// The source in the clone of a crowded mount, which is private: what is to be a peer or a slave comes of the mount itself.
    fn in_a_crowd(&self, crowds: &Crowds) -> Option<rustix::fd::OwnedFd> {
        let words = [self.attr.propagation, self.recursive_attr.propagation];
        let is_related = |to: &Option<_>| matches!(to, Some(Propagation::Shared | Propagation::Slave));
        if self.recursive || words.iter().any(is_related) {
            return None;
        }
        crowds.find(self.dir, self.source)
    }
}
