// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bind mounts of directories and files, finished in every attribute before anyone sees them.

use crate::error::Result;
use crate::vfs::attr::{MountAttr, Propagation};
use crate::vfs::tree::Tree;
use rustix::fd::BorrowedFd;
use std::path::Path;

/// A bind of `source`, which starts at `dir`: `attr` for its top mount, `recursive_attr` for all mounts in it; `idmap` is a
/// user namespace, and whether it maps the whole tree or the top mount.
///
/// Without a propagation asked for it is private: a copy of a shared mount would be its peer, and what is mounted
/// into the copy while it is being built would appear on the host.
pub(crate) fn bind(
    dir: BorrowedFd<'_>,
    source: &Path,
    recursive: bool,
    attr: &MountAttr,
    recursive_attr: &MountAttr,
    idmap: Option<(BorrowedFd<'_>, bool)>,
) -> Result<Tree> {
    let tree = match idmap {
        None => Tree::clone_of(dir, source, recursive)?,
        Some((userns, whole)) if whole == recursive => Tree::clone_idmapped(dir, source, recursive, userns)?,
        Some((userns, whole)) => {
            let tree = Tree::clone_of(dir, source, recursive)?;
            tree.set_idmap(userns, whole).map_err(|e| e.arg(source))?;
            tree
        }
    };
    let mut whole = *recursive_attr;
    if attr.propagation.is_none() && whole.propagation.is_none() {
        whole.propagation = Some(Propagation::Private);
    }
    let named = |e: crate::Error| e.with_step("set mount attributes of").arg(source);
    tree.set_attr(&whole, recursive).map_err(named)?;
    tree.set_attr(attr, false).map_err(named)?;
    Ok(tree)
}
