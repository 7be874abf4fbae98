// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Attaches a mount at its target inside the set.

use crate::error::{Error, ErrorKind, Result, escape};
use crate::mountinfo::id::MountId;
use crate::set::build::covered::take_over;
use crate::set::build::detached_set::DetachedSet;
use crate::set::plan::step::Step;
use crate::vfs::dangling;
use crate::vfs::identity::is_dir;
use crate::vfs::target::{Target, open_in_root};
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Opens the step's target below the root. With `X-mount.mkdir` it creates the target if missing: a
/// directory for a directory, a file for a file.
pub(crate) fn mount_point(
    root: BorrowedFd<'_>,
    step: &Step,
    is_dir: impl FnOnce() -> Result<bool>,
) -> Result<Target> {
    let path = step.target.as_path();
    let target = match step.options.mkdir {
        None => Target::in_root(root, path).map_err(|e| match e.kind() {
            ErrorKind::NotFound => missing(root, path, e),
            _ => e,
        }),
        Some(mkdir) => Target::create_in_root(root, path, mkdir.create(is_dir()?)),
    }?;
    if step.needs_plain_target() {
        target.need_no_link(root)?;
    }
    Ok(target)
}

/// Explains a missing mount point: a symbolic link on the path may lead nowhere.
fn missing(root: BorrowedFd<'_>, path: &Path, error: Error) -> Error {
    let hint = "create the mount point, or add the option X-mount.mkdir";
    match dangling::follow(|path| open_in_root(root, path), path) {
        Ok(followed) if followed != path => {
            let followed = escape(followed.as_os_str().as_bytes());
            error
                .with_reason(format!("a symbolic link on the path leads to {followed}, which does not exist"))
                .with_hint(hint)
        }
        _ => error.with_hint(hint),
    }
}

/// Attaches the step's tree at its target inside the set.
pub(crate) fn attach_at(built: &mut DetachedSet, tree: Tree, step: &Step) -> Result<()> {
    let (root, path) = (built.top.as_fd(), step.target.as_path());
    let target = mount_point(root, step, || is_dir(tree.root()))?;
    built.made.take_over(target.made());
    // A symbolic link or `..` may resolve to the root of the set itself.
    let beneath = target.mount();
    let is_root = beneath.is_some() && beneath == Some(MountId::of(root)?);
    take_over(tree.root(), target.as_fd(), step)?;
    let attached = tree.attach(&target).map_err(|e| Error::from(e).with_argument(path))?;
    built.stacks.add(attached.id(), beneath, path);
    if is_root {
        built.top = attached.into_fd();
    }
    Ok(())
}
