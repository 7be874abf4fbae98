// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Records what a step-by-step mount has done, also in the journal, and undoes it on failure.

use crate::error::Result;
use crate::set::build::assemble::newer_than_all;
use crate::set::journal::record::JournalEntry;
use crate::set::plan::step::{Step, What};
use crate::table::count::mounts_in;
use crate::trace;
use crate::vfs::attr::Propagation;
use crate::vfs::created_dirs::CreatedDirs;
use crate::vfs::detach::{detach_fd, take_back};
use crate::vfs::target::Target;
use crate::vfs::tree::{Attached, Tree};
use crate::vfs::verify::is_on_top;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

/// The state before the first step.
#[derive(Debug)]
pub(crate) struct Begun {
    /// The root of the mounts that are published already. A failing step unmounts them too.
    pub(crate) published: Option<OwnedFd>,
    pub(crate) entry: Option<JournalEntry>,
}

/// Reports whether the step's mount, or one in it, may be a peer of the source of its bind. If a
/// propagation is set for the top mount of a tree only, the others keep that of their source.
pub(crate) fn has_peers(step: &Step) -> bool {
    let (top, whole) = (step.options.attr.propagation, step.options.recursive_attr.propagation);
    match (&step.what, whole) {
        (What::Bind { recursive: true }, None) => top.is_some(),
        (What::Bind { .. }, whole) => [top, whole].contains(&Some(Propagation::Shared)),
        _ => false,
    }
}

/// A mount that is attached at its place.
pub(crate) struct Mounted {
    pub(crate) root: OwnedFd,
    /// Whether the mount, or one in it, may be a peer of its source.
    is_peer: bool,
}

impl Mounted {
    pub(crate) fn new(root: OwnedFd, step: &Step) -> Self {
        Self { root, is_peer: has_peers(step) }
    }

    /// Unmounts it, with its copies in other namespaces and at the peers of its place. A peer of
    /// its source is made private first, since its unmount would propagate to the mounts below the
    /// source. Its copies then remain.
    fn take_back(&self) -> Result<()> {
        if self.is_peer { take_back(self.root.as_fd()) } else { detach_fd(self.root.as_fd()) }
    }
}

/// The roots of the mounts attached so far. Dropping it unmounts them, newest first, unless
/// [`keep`](Self::keep) was called.
pub(crate) struct Rollback {
    pub(crate) mounted: Vec<Mounted>,
    /// Directories created for mount points. They are removed after the mounts.
    created: CreatedDirs,
    entry: Option<JournalEntry>,
}

impl Rollback {
    pub(crate) fn new(Begun { published, entry }: Begun) -> Self {
        let mounted = published.map(|root| Mounted { root, is_peer: true }).into_iter().collect();
        Self { mounted, created: CreatedDirs::default(), entry }
    }

    /// Keeps all mounts and directories.
    pub(crate) fn keep(mut self) {
        self.mounted.clear();
        self.created.keep();
    }

    /// Takes over the directories that were created for a mount point, and records them in the
    /// journal.
    pub(crate) fn take_over(&self, made: &CreatedDirs) {
        if let Some(entry) = &self.entry {
            entry.directories(made);
        }
        self.created.take_over(made);
    }

    /// Records a mount in the journal, right before it is attached.
    pub(crate) fn will_mount(&self, root: BorrowedFd<'_>, place: &Target, step: &Step) {
        if let Some(entry) = &self.entry {
            entry.mount(root, place.as_fd(), has_peers(step));
        }
    }

    /// Records a detached tree in the journal, right before it is attached. Its mounts cannot be
    /// counted yet, so the id of a mount created now is recorded as their upper bound. Before Linux
    /// 6.8 there is no such id. The journal then has the number of mounts in the source, relative
    /// to `dir`, until [`has_attached`](Self::has_attached) corrects it.
    pub(crate) fn will_attach(&self, tree: &Tree, place: &Target, step: &Step, dir: BorrowedFd<'_>) {
        let Some(entry) = self.entry.as_ref().filter(|_| step.is_tree()) else {
            return self.will_mount(tree.root(), place, step);
        };
        let newest = newer_than_all(tree).ok().flatten();
        let mounts = if newest.is_none() { mounts_in(dir, &step.source) } else { None };
        entry.root_of(tree.root(), newest, mounts, place.as_fd(), has_peers(step));
    }

    pub(crate) fn has_attached(&self, attached: &Attached, place: &Target, step: &Step) {
        if let Some(entry) =
            self.entry.as_ref().filter(|_| step.is_tree() && attached.id().unique().is_none())
        {
            entry.with_all_below(attached.root(), place.as_fd(), has_peers(step));
        }
    }

    /// Records that a helper is about to mount on `place`. The mount has no id yet.
    pub(crate) fn mounting(&self, place: &Target) {
        if let Some(entry) = &self.entry {
            entry.mounting(place.as_fd());
        }
    }
}

impl Drop for Rollback {
    fn drop(&mut self) {
        let (mounts, mut left) = (self.mounted.len(), 0);
        while let Some(mounted) = self.mounted.pop() {
            // The caller gets the first error. A mount with another process's mount on top remains
            // beneath it: we must not unmount what is not ours.
            let is_unmounted = is_on_top(mounted.root.as_fd()) && mounted.take_back().is_ok();
            left += usize::from(!is_unmounted);
        }
        if mounts > 0 {
            trace::rolled_back(mounts, left);
        }
        if let Some(entry) = self.entry.take().filter(|_| left == 0) {
            entry.remove();
        }
    }
}
