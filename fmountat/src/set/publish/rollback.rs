// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a list that goes step by step has done so far, remembered in the note too, and how it is taken back.

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

/// What there is before the first step.
#[derive(Debug)]
pub(crate) struct Begun {
    /// The root of what is there already, which goes too if a step fails.
    pub(crate) published: Option<OwnedFd>,
    pub(crate) entry: Option<JournalEntry>,
}

/// Whether the step's mount, or one in it, may be a peer of what it is a bind of: of a tree whose top alone is given a
/// propagation the rest keeps that of its source.
pub(crate) fn has_peers(step: &Step) -> bool {
    let (top, whole) = (step.options.attr.propagation, step.options.recursive_attr.propagation);
    match (&step.what, whole) {
        (What::Bind { recursive: true }, None) => top.is_some(),
        (What::Bind { .. }, whole) => [top, whole].contains(&Some(Propagation::Shared)),
        _ => false,
    }
}

/// A mount that is in its place.
pub(crate) struct Mounted {
    pub(crate) root: OwnedFd,
    /// It, or one in it, may be a peer of its source.
    is_peer: bool,
}

impl Mounted {
    pub(crate) fn new(root: OwnedFd, step: &Step) -> Self {
        Self { root, is_peer: has_peers(step) }
    }

    /// Unmounts it, with its copies in other namespaces and at the peers of its place. Of a peer of the source all below would
    /// go from the source too: that is cut off before, and so are the copies.
    fn take_back(&self) -> Result<()> {
        if self.is_peer { take_back(self.root.as_fd()) } else { detach_fd(self.root.as_fd()) }
    }
}

/// The roots of what was mounted so far, taken away again, newest first, unless the list is emptied.
pub(crate) struct Rollback {
    pub(crate) mounted: Vec<Mounted>,
    /// Directories made for mount points; they go after the mounts.
    made: CreatedDirs,
    entry: Option<JournalEntry>,
}

impl Rollback {
    pub(crate) fn new(Begun { published, entry }: Begun) -> Self {
        let mounted = published.map(|root| Mounted { root, is_peer: true }).into_iter().collect();
        Self { mounted, made: CreatedDirs::default(), entry }
    }

    /// All of it stays.
    pub(crate) fn keep(mut self) {
        self.mounted.clear();
        self.made.keep();
    }

    /// What was made for a place is remembered, here and in the note.
    pub(crate) fn take_over(&self, made: &CreatedDirs) {
        if let Some(entry) = &self.entry {
            entry.directories(made);
        }
        self.made.take_over(made);
    }

    /// The mount is about to be attached, and to be remembered.
    pub(crate) fn will_mount(&self, root: BorrowedFd<'_>, place: &Target, step: &Step) {
        if let Some(entry) = &self.entry {
            entry.mount(root, place.as_fd(), has_peers(step));
        }
    }

    /// The same of a detached tree, whose mounts can't be counted yet: none is newer than one that is made now. Before Linux 6.8
    /// that can't be told: it has as many as its source, which is looked at from `dir`, and
    /// [`has_attached`](Self::has_attached) knows better.
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

    /// A mount that nobody knows yet is about to be made.
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
            // The error on its way to the caller is the first one. A mount that somebody covered stays beneath: what
            // covers it is not ours to take.
            let is_gone = is_on_top(mounted.root.as_fd()) && mounted.take_back().is_ok();
            left += usize::from(!is_gone);
        }
        if mounts > 0 {
            trace::rolled_back(mounts, left);
        }
        if let Some(entry) = self.entry.take().filter(|_| left == 0) {
            entry.remove();
        }
    }
}
