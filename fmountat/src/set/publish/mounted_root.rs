// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Creates nodes and applies path restrictions in a root that is mounted already.

use crate::error::Result;
use crate::set::build::late_mount::{LateMount, MountedRoot};
use crate::set::build::step_mount::StepMounter;
use crate::set::build::{Mounter, nodes, restrict};
use crate::set::plan::nodes::Nodes;
use crate::set::plan::restriction::PathRestrictions;
use crate::set::spec::Spec;
use crate::vfs::guard::MountGuard;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::CWD;
use std::path::Path;

impl Mounter {
    /// Creates the devices and links of `spec` in a root that is mounted or detached already.
    /// Ignores the mounts of `spec`. It serves a runtime that does work of its own between the
    /// mounts and the nodes. It calls mknodat(2) and symlinkat(2); in a user namespace a device is
    /// a read-only bind of the host's node.
    ///
    /// # Errors
    /// [`ErrorKind::NotADevice`](crate::ErrorKind::NotADevice) where another file has the name of a
    /// device; [`ErrorKind::Spec`](crate::ErrorKind::Spec) for a path that does not end in a name;
    /// the errno of the calls. Nodes that were created remain after a failure.
    pub fn create_nodes(&self, root: impl AsFd, spec: &Spec) -> Result<()> {
        let nodes = Nodes::new(spec.devices.clone(), spec.links.clone())?;
        Root::of(self, root.as_fd()).finish(|root| nodes::create_nodes(root, &nodes, 1))
    }

    /// Masks paths, and makes paths and the root read-only, in a root that is mounted or detached
    /// already, as `spec` demands. Ignores the mounts of `spec`. It serves a runtime that does work
    /// of its own between the mounts and the restrictions. Paths that do not exist are skipped, as
    /// the OCI runtime specification requires.
    ///
    /// # Errors
    /// As [`apply`](Self::apply). A failure unmounts the restrictions made so far, newest first. In
    /// a detached tree, which needs Linux 6.15, they are dissolved with the tree.
    pub fn restrict(&self, root: impl AsFd, spec: &Spec) -> Result<()> {
        let restrictions = PathRestrictions::of(spec)?;
        Root::of(self, root.as_fd()).finish(|root| {
            restrict::restrict_paths(root, &restrictions, 1)?;
            match root.readonly || restrictions.readonly_root {
                true => restrict::make_root_read_only(root.root),
                false => Ok(()),
            }
        })
    }
}

/// A root that belongs to the caller.
struct Root<'a> {
    mounter: StepMounter<'a>,
    root: BorrowedFd<'a>,
    readonly: bool,
    /// The mounts attached so far. They are unmounted unless all succeed.
    attached: Vec<MountGuard>,
}

impl<'a> Root<'a> {
    fn of(mounter: &'a Mounter, root: BorrowedFd<'a>) -> Self {
        Self { mounter: StepMounter { mounter, dir: CWD }, root, readonly: false, attached: Vec::new() }
    }

    fn finish(mut self, work: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let done = work(&mut self);
        while let Some(guard) = self.attached.pop() {
            match &done {
                Ok(()) => drop(guard.keep()),
                Err(_) => drop(guard),
            }
        }
        done
    }
}

impl MountedRoot for Root<'_> {
    fn root(&self, _: &Path) -> Result<BorrowedFd<'_>> {
        Ok(self.root)
    }

    fn attach(&mut self, late: &LateMount) -> Result<()> {
        let mount = late.mounter(&self.mounter).detached(&late.step)?;
        self.attached.push(MountGuard::new(mount.attach(&late.place)?));
        Ok(())
    }

    fn restrict_root(&mut self) -> Result<()> {
        self.readonly = true;
        Ok(())
    }
}
