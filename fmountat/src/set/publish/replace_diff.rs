// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Lists, before a swap, the mounts that have no counterpart in the new set.

use crate::error::{Error, ErrorKind, Holder, Operation, Result};
use crate::mountinfo::id::{MountId, MountinfoId};
use crate::set::build::detached_set::two_roots;
use crate::set::build::failure::cannot_assemble;
use crate::set::build::{DetachedSet, Mounter};
use crate::set::plan::Plan;
use crate::set::plan::step::Step;
use crate::strategy::SwapStrategy;
use crate::table::inside::{Around, RelatedMount, around};
use crate::vfs::identity::mount_with_root;
use crate::vfs::replace::{check_replaceable, need_whole_copy};
use crate::vfs::target::{Target, open_in_root};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

const STEP: Operation = Operation::LookForWhatWouldBeDropped;

/// The mounts that a swap does not replace one for one: [`Mounter::replace_diff`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplaceDiff {
    /// The mounts in the old mount at places where the new set has none, or fewer stacked ones. The
    /// swap unmounts them with the old mount, whoever mounted them.
    pub dropped: Vec<(MountId, PathBuf)>,
    /// The mounts beneath the old mount, at the target itself, topmost first. They remain beneath
    /// the new set.
    pub beneath: Vec<(MountId, PathBuf)>,
}

impl Mounter {
    /// Returns the mounts that a [`swap`](Self::swap) of `built` for the mount on `target` would
    /// unmount, and those that it would leave beneath. It reads them by listmount(2) and
    /// statmount(2) \[Linux 6.8\], or else from mountinfo. Call it right before the swap: it misses
    /// a mount that is attached in between. `plan` is the plan of `built`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if neither is available; those of opening the target.
    pub fn replace_diff(&self, plan: &Plan, built: &DetachedSet, target: &Target) -> Result<ReplaceDiff> {
        diff_with(target, |inner| match open_in_root(built.root(), inner) {
            Ok(fd) => Ok(match mount_with_root(fd.as_fd())? {
                None => 0,
                // A copy of the target has all its mounts, except those that cannot be copied.
                Some(_) if !plan.has_root() => usize::MAX,
                Some(id) => built.stacks.of(id),
            }),
            Err(error) if is_missing(&error) => Ok(0),
            Err(error) => Err(error.with_operation(STEP)),
        })
    }

    /// Returns the same before the set is built, as far as the mount list shows it. Mounts that a
    /// recursive bind or a copy of the old mount brings along count as counterparts.
    ///
    /// # Errors
    /// Those of [`replace_diff`](Self::replace_diff) and
    /// [`explain_replace`](Self::explain_replace); [`ErrorKind::Unsupported`] for a set with two
    /// roots.
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
        let found = diff_with(target, |inner| {
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

/// Compares what is mounted on `target` with a new set. `counterparts` returns the number of mounts
/// that the new set has stacked at a place in it. An invisible mount in the old set counts if it is
/// beneath a visible one at the same place.
fn diff_with(target: &Target, counterparts: impl Fn(&Path) -> Result<usize>) -> Result<ReplaceDiff> {
    check_replaceable(target)?;
    let seen = target.seen_now()?;
    let Around { place: top, inside, beneath } = around(seen.as_fd())?;
    let places: BTreeSet<&PathBuf> = inside.iter().map(|mount| &mount.place).collect();
    let mut dropped = Vec::new();
    for place in places {
        // A mount that was moved in the meantime is no longer in the old set.
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

/// Returns the visible mount at the place and those stacked beneath it, topmost first. Empty if
/// other mounts hide all of them.
fn stack_at(
    root: BorrowedFd<'_>,
    inner: &Path,
    place: &Path,
    inside: &[RelatedMount],
) -> Result<Vec<MountId>> {
    let here: Vec<&RelatedMount> = inside.iter().filter(|mount| mount.place == place).collect();
    let is_unique = here.iter().all(|mount| mount.id.unique().is_some());
    let id = |fd: BorrowedFd<'_>| match is_unique {
        true => MountId::of(fd),
        false => MountinfoId::of(fd).map(MountId::from),
    };
    let top = match open_in_root(root, inner) {
        Ok(fd) => id(fd.as_fd())?,
        Err(error) if is_missing(&error) => return Ok(Vec::new()),
        // A FUSE file system refuses all users but the one that mounted it, even root.
        Err(error) if error.raw_errno() == Some(Errno::ACCESS) => {
            return Ok(here.iter().map(|mount| mount.id).collect());
        }
        Err(error) => return Err(error.with_operation(STEP)),
    };
    let find = |id: MountId| here.iter().find(|mount| mount.id == id);
    let below = |mount: &&&RelatedMount| find(mount.parent).filter(|lower| lower.id != mount.id);
    Ok(std::iter::successors(find(top), below).map(|mount| mount.id).collect())
}

/// Reports whether the error means that the path does not exist.
fn is_missing(error: &Error) -> bool {
    matches!(error.raw_errno(), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
}

/// Returns the names in a path. `..` removes the name before it, without following symbolic links.
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
    /// Reports whether each mount has its counterpart.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dropped.is_empty() && self.beneath.is_empty()
    }

    /// Refuses to swap a set for what is mounted on `target` unless [`is_empty`](Self::is_empty)
    /// holds.
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
