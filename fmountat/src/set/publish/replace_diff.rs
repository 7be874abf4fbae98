// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a swap does to mounts that the new set has no counterpart for: told before it is done.

use crate::error::{Error, ErrorKind, Holder, Operation, Result};
use crate::mountinfo::id::{MountId, MountinfoId};
use crate::set::build::detached_set::two_roots;
use crate::set::build::failure::cannot_assemble;
use crate::set::build::{DetachedSet, Mounter};
use crate::set::plan::Plan;
use crate::set::plan::step::Step;
use crate::strategy::SwapStrategy;
use crate::table::inside::{Around, Found, around};
use crate::vfs::identity::mount_with_root;
use crate::vfs::replace::{check_replaceable, need_whole_copy};
use crate::vfs::target::{Target, open_in_root};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

const STEP: Operation = Operation::LookForWhatWouldBeDropped;

/// Mounts that a swap does not replace one for one: [`Mounter::replace_diff`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplaceDiff {
    /// In the old mount, at places where the new set has none, or fewer on each other. They go with the old one, whoever
    /// mounted them.
    pub dropped: Vec<(MountId, PathBuf)>,
    /// Beneath the old mount, at the target itself, from the top down. They stay, beneath the new set.
    pub beneath: Vec<(MountId, PathBuf)>,
}

impl Mounter {
    /// What a [`swap`](Self::swap) of `built` for what is mounted on `target` would drop, and what it would leave beneath:
    /// listmount(2) and statmount(2) \[Linux 6.8\], else mountinfo. Ask right before it: a mount that comes between
    /// goes unseen. `plan` is the one that was built.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] without either; those of looking at the target.
    pub fn replace_diff(&self, plan: &Plan, built: &DetachedSet, target: &Target) -> Result<ReplaceDiff> {
        unmatched(target, |inner| match open_in_root(built.root(), inner) {
            Ok(fd) => Ok(match mount_with_root(fd.as_fd())? {
                None => 0,
                // A copy of what is there has all of it, save what can't be copied.
                Some(_) if !plan.has_root() => usize::MAX,
                Some(id) => built.stacks.of(id),
            }),
            Err(error) if is_missing(&error) => Ok(0),
            Err(error) => Err(error.with_operation(STEP)),
        })
    }

    /// The same before anything is built, as far as the list tells: what a recursive bind or a copy of the old mount brings
    /// along is taken for counterparts.
    ///
    /// # Errors
    /// As [`unmatched`](Self::replace_diff), and those of [`explain_replace`](Self::explain_replace); [`ErrorKind::Unsupported`] for a set
    /// with two roots.
    pub fn explain_replace_diff(&self, plan: &Plan, target: &Target) -> Result<ReplaceDiff> {
        self.need_mount_interface(plan.resolves_targets())?;
        self.assembly(plan, plan.is_lone()).ok_or_else(cannot_assemble)?;
        if self.swap_strategy() == SwapStrategy::Gap {
            need_whole_copy(target)?;
        }
        let is_brought = |inner: &[&OsStr]| {
            let is_rbind = |step: &&Step| step.is_tree();
            let is_below = |step: &Step| inner.starts_with(&names(&step.target));
            !plan.has_root() || plan.steps.iter().filter(is_rbind).any(is_below)
        };
        let found = unmatched(target, |inner| {
            let inner = names(inner);
            let steps = plan.steps.iter().map(|step| &step.target);
            let restricted = plan.restrictions.paths.iter().map(|(_, path)| path);
            let count = steps.chain(restricted).filter(|path| names(path) == inner).count();
            Ok(count.max(usize::from(is_brought(&inner))))
        })?;
        match plan.steps.iter().filter(|step| step.is_root()).count() {
            0 | 1 => Ok(found),
            _ => Err(two_roots()),
        }
    }
}

/// `counterparts` tells how many mounts the new set has on each other at a place inside it. What nobody sees in the old one counts
/// where it is beneath one that is seen, at the same place.
fn unmatched(target: &Target, counterparts: impl Fn(&Path) -> Result<usize>) -> Result<ReplaceDiff> {
    check_replaceable(target)?;
    let seen = target.seen_now()?;
    let Around { place: top, inside, beneath } = around(seen.as_fd())?;
    let places: BTreeSet<&PathBuf> = inside.iter().map(|mount| &mount.place).collect();
    let mut dropped = Vec::new();
    for place in places {
        // One that was moved meanwhile is elsewhere.
        let Ok(inner) = place.strip_prefix(&top) else { continue };
        let stack = stack_at(seen.as_fd(), inner, place, &inside)?;
        if !stack.is_empty() {
            let too_many = stack.len().saturating_sub(counterparts(inner)?);
            dropped.extend(stack.into_iter().take(too_many).map(|id| (id, place.clone())));
        }
    }
    let beneath = beneath.into_iter().map(|mount| (mount.id, mount.place)).collect();
    Ok(ReplaceDiff { dropped, beneath })
}

/// The mount that is seen at the place, and those beneath it on each other; empty where all that is there is hidden by others.
fn stack_at(root: BorrowedFd<'_>, inner: &Path, place: &Path, inside: &[Found]) -> Result<Vec<MountId>> {
    let here: Vec<&Found> = inside.iter().filter(|mount| mount.place == place).collect();
    let is_unique = here.iter().all(|mount| mount.id.unique().is_some());
    let id = |fd: BorrowedFd<'_>| match is_unique {
        true => MountId::of(fd),
        false => MountinfoId::of(fd).map(MountId::from),
    };
    let top = match open_in_root(root, inner) {
        Ok(fd) => id(fd.as_fd())?,
        Err(error) if is_missing(&error) => return Ok(Vec::new()),
        // FUSE keeps everybody but the user who mounted it out, root too.
        Err(error) if error.raw_errno() == Some(Errno::ACCESS) => {
            return Ok(here.iter().map(|mount| mount.id).collect());
        }
        Err(error) => return Err(error.with_operation(STEP)),
    };
    let find = |id: MountId| here.iter().find(|mount| mount.id == id);
    let below = |mount: &&&Found| find(mount.parent).filter(|lower| lower.id != mount.id);
    Ok(std::iter::successors(find(top), below).map(|mount| mount.id).collect())
}

/// Nothing is at the path, or the way to it ends.
fn is_missing(error: &Error) -> bool {
    matches!(error.raw_errno(), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
}

/// The names on a path, with `..` taken as it is written.
fn names(path: &Path) -> Vec<&OsStr> {
    path.components().fold(Vec::new(), |mut names, part| {
        match part {
            Component::Normal(name) => names.push(name),
            Component::ParentDir => drop(names.pop()),
            _ => {}
        }
        names
    })
}

impl ReplaceDiff {
    /// Whether each mount has its counterpart.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dropped.is_empty() && self.beneath.is_empty()
    }

    /// Refuses the swap of a set for what is on `target` unless [`is_empty`](Self::is_empty).
    ///
    /// # Errors
    /// [`ErrorKind::Busy`], with the mounts in [`Error::holders`].
    pub fn need_none(&self, target: &Target) -> Result<()> {
        let (mounts, reason, hint) = match (self.dropped.len(), self.beneath.len()) {
            (0, 0) => return Ok(()),
            (0, _) => (
                &self.beneath,
                String::from("is mounted on top of another mount, which would remain beneath the new set"),
                "unmount one of the two first, or run without `--strict`",
            ),
            (count, _) => (
                &self.dropped,
                format!("{count} of the old set's mounts are not in the new set and would be unmounted"),
                "unmount them first, or add them to the new set; without `--strict`, they are listed and \
                 unmounted",
            ),
        };
        Err(Error::new(ErrorKind::Busy, Operation::Replace, reason)
            .with_argument(target.path())
            .with_holders(mounts.iter().map(|(_, place)| Holder::mount_below(place.clone())).collect())
            .with_hint(hint))
    }
}
