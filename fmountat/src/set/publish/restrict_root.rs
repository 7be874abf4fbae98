// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Path restrictions of a root that is mounted already.

use crate::error::Result;
use crate::set::build::step_mount::StepMounter;
use crate::set::build::{Mounter, restrict};
use crate::set::plan::restriction::PathRestrictions;
use crate::set::spec::Spec;
use crate::vfs::guard::MountGuard;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::CWD;

impl Mounter {
    /// Masks paths, and makes paths and the root read-only, in a root that is mounted or detached already, as `spec` says; its mounts
    /// are not looked at. For a runtime that has work of its own to do between the mounts and this. Paths that do not exist are
    /// left out, as the OCI runtime specification has it.
    ///
    /// # Errors
    /// As [`apply`](Self::apply); what was done is unmounted again, newest first. In a detached tree, which needs Linux 6.15, it goes
    /// with the tree.
    pub fn restrict(&self, root: impl AsFd, spec: &Spec) -> Result<()> {
        let root = root.as_fd();
        let covers = PathRestrictions::of(spec)?;
        let mut done = Vec::new();
        let restricted = self
            .restrict_paths(root, &covers, &mut done)
            .and_then(|is_root| if is_root { restrict::make_root_read_only(root) } else { Ok(()) });
        while let Some(guard) = done.pop() {
            match &restricted {
                Ok(()) => drop(guard.keep()),
                Err(_) => drop(guard),
            }
        }
        restricted
    }

    /// Tells whether the root itself is to be read-only.
    fn restrict_paths(
        &self,
        root: BorrowedFd<'_>,
        covers: &PathRestrictions,
        done: &mut Vec<MountGuard>,
    ) -> Result<bool> {
        let pieces = StepMounter { mounter: self, dir: CWD };
        let mut readonly_root = covers.readonly_root;
        for (at, (cover, path)) in covers.paths.iter().enumerate() {
            match restrict::find(root, *cover, path, at + 1)? {
                restrict::Place::Nothing => {}
                restrict::Place::Root => readonly_root = true,
                restrict::Place::Step(found) => {
                    let piece = found.pieces(&pieces).detached(&found.step);
                    let attached = piece.and_then(|piece| Ok(piece.attach(&found.place)?));
                    done.push(MountGuard::new(attached.map_err(|e| cover.error(path, e))?));
                }
            }
        }
        Ok(readonly_root)
    }
}
