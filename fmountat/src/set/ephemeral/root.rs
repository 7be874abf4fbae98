// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Throw-away roots: read from layers, written to a tmpfs that is hidden and goes with the mounts.

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::kinds::overlay::Overlay;
use crate::kinds::overlay::ephemeral_upper::Store;
use crate::set::build::{Built, Mounter};
use crate::set::ephemeral::host_root::Machine;
use crate::set::ephemeral::layout::{NotCovered, add_device_links, is_slash, makes_dev, throwaway_overlay};
use crate::set::plan::Plan;
use crate::vfs::hidden::Hidden;
use crate::vfs::tree::Tree;
use rustix::fd::AsFd;
use std::path::PathBuf;

impl Mounter {
    /// Builds a root to be thrown away. Its first layer is an overlay of `lowers` (topmost first) with an upper in a
    /// tmpfs; then come the plan's mounts. Without `lowers` the plan's own first mount is the root, and if that is an
    /// overlay without `upperdir` and `ro` it gets such an upper. Relative paths start at `dir`.
    ///
    /// The one lower `/` means the machine's own system: with privilege an overlay for each real file system, in a
    /// user namespace one for each directory that has no mounts below, since the kernel refuses others there. What is
    /// not covered comes back in the list.
    ///
    /// Where the kernel can't mount into a detached tree \[before Linux 6.15\] this is for a process with a mount namespace of its
    /// own ([`in_own_namespace`](Self::in_own_namespace)): the root is mounted in it, and is to be [entered](Built::enter).
    ///
    /// # Errors
    /// Those of [`Mounter::build`]; [`ErrorKind::Spec`] when nothing gives a root; [`ErrorKind::Unsupported`] for `/`
    /// among other lowers, and where neither the kernel nor the namespace serves.
    pub fn build_throwaway(
        &self,
        dir: impl AsFd,
        lowers: &[PathBuf],
        plan: Option<&Plan>,
    ) -> Result<(Built, Vec<NotCovered>)> {
        let dir = dir.as_fd();
        self.need_mount_interface(true)?;
        self.need_detached_children_or_own_namespace()?;
        let store = Store::new()?;
        let hidden = self.mounts_here().then(|| Hidden::new(store.root())).transpose()?;
        let mut not_covered = Vec::new();
        let base = match lowers {
            [] => None,
            [one] if is_slash(one) => {
                let mut machine = Machine::new(self, &store)?;
                let built = machine.build()?;
                not_covered = machine.not_covered;
                Some(built)
            }
            many if many.iter().any(|l| is_slash(l)) => {
                let reason = "the machine's own `/` can't be one of several layers";
                return Err(
                    Error::new(ErrorKind::Unsupported, Operation::ReadLower, reason).with_argument("/")
                );
            }
            many => {
                let overlay = many.iter().fold(Overlay::new(), |o, lower| o.lower(lower));
                Some(self.throwaway_base(throwaway_overlay(self, &store, dir, overlay)?, &store)?)
            }
        };
        let mut built = match (base, plan) {
            (base, Some(plan)) if base.is_some() || plan.has_root() => {
                self.build_on(dir, base, plan, Some(&store))?
            }
            (Some(base), None) => base,
            _ => {
                let reason = "no mount has the target `/`, so there is no root to run in";
                let error = Error::new(ErrorKind::Spec, Operation::ReadMountList, reason);
                return Err(error.with_hint("make the first mount one for `/`, or give --lower DIR"));
            }
        };
        if plan.is_some_and(makes_dev) {
            add_device_links(built.root())?;
        }
        if store.lacks_marks(&self.features) {
            let reason = "a directory that comes from a layer can't be removed (EIO): in a user namespace that needs Linux 6.6";
            not_covered.push(NotCovered { path: PathBuf::from("/"), reason: reason.into() });
        }
        built.hidden = hidden;
        Ok((built, not_covered))
    }

    /// A root that the rest is mounted in.
    pub(crate) fn throwaway_base(&self, tree: Tree, store: &Store) -> Result<Built> {
        let mut built = Built::from_tree(tree)?;
        if self.mounts_here() {
            built.put_into(store)?;
        }
        Ok(built)
    }
}
