// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a swap does to mounts that the new set has no counterpart for: told before it is done.

use super::apply::Built;
use super::mounter::Mounter;
use super::plan::{Plan, Step, What};
use crate::error::{Error, ErrorKind, Holder, Result};
use crate::table::inside::{Around, around};
use crate::vfs::identity::{MountId, is_mount_root};
use crate::vfs::target::{Target, open_in_root};
use rustix::fd::AsFd;
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

const STEP: &str = "look for what would be dropped";

/// Mounts that a swap does not replace one for one: [`Mounter::unmatched`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unmatched {
    /// In the old mount, at places where the new set has none, or fewer on each other. They go with the old one, whoever
    /// mounted them.
    pub dropped: Vec<(MountId, PathBuf)>,
    /// Beneath the old mount, at the target itself, from the top down. They stay, beneath the new set.
    pub beneath: Vec<(MountId, PathBuf)>,
}

impl Mounter {
    /// What a [`swap`](Self::swap) of `built` for what is mounted on `target` would drop, and what it would leave beneath:
    /// listmount(2) and statmount(2) \[Linux 6.8\], else /proc/self/mountinfo. Ask right before it: a mount that comes between
    /// goes unseen. `plan` is the one that was built.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] without either; those of looking at the target.
    pub fn unmatched(&self, plan: &Plan, built: &Built, target: &Target) -> Result<Unmatched> {
        unmatched(target, |inner| {
            let is_mount = match open_in_root(built.root(), inner) {
                Ok(fd) => is_mount_root(fd.as_fd())?,
                Err(error) if is_missing(&error) => false,
                Err(error) => return Err(error.with_step(STEP)),
            };
            Ok(if is_mount { mounts_at(plan, inner).max(1) } else { 0 })
        })
    }

    /// The same before anything is built, as far as the list tells: what a recursive bind or a copy of the old mount brings
    /// along is taken for counterparts.
    ///
    /// # Errors
    /// As [`unmatched`](Self::unmatched).
    pub fn explain_unmatched(&self, plan: &Plan, target: &Target) -> Result<Unmatched> {
        let is_brought = |inner: &Path| {
            let is_rbind = |step: &&Step| matches!(step.what, What::Bind { recursive: true });
            let is_below = |step: &Step| names(inner).zip(names(&step.target)).all(|(a, b)| a == b);
            !plan.has_root() || plan.steps.iter().filter(is_rbind).any(is_below)
        };
        unmatched(target, |inner| Ok(mounts_at(plan, inner).max(usize::from(is_brought(inner)))))
    }
}

/// `counterparts` tells how many mounts the new set has on each other at a place inside it.
fn unmatched(target: &Target, counterparts: impl Fn(&Path) -> Result<usize>) -> Result<Unmatched> {
    let seen = target.seen_now()?;
    let Around { place: top, inside, beneath } = around(seen.as_fd())?;
    let mut at_place: HashMap<PathBuf, usize> = HashMap::new();
    let mut dropped = Vec::new();
    for (id, place) in inside {
        let inner = place.strip_prefix(&top).unwrap_or(&place).to_owned();
        let wanted = counterparts(&inner)?;
        let number = at_place.entry(inner).or_default();
        *number += 1;
        if *number > wanted {
            dropped.push((id, place));
        }
    }
    Ok(Unmatched { dropped, beneath })
}

/// Nothing is at the path, or the way to it ends.
fn is_missing(error: &Error) -> bool {
    matches!(error.raw_errno(), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
}

/// The mounts and covers that the list has for this very place.
fn mounts_at(plan: &Plan, inner: &Path) -> usize {
    let steps = plan.steps.iter().map(|step| &step.target);
    let covers = plan.covers.paths.iter().map(|(_, path)| path);
    steps.chain(covers).filter(|path| names(path).eq(names(inner))).count()
}

fn names(path: &Path) -> impl Iterator<Item = &OsStr> {
    path.components().filter(|part| matches!(part, Component::Normal(_))).map(|part| part.as_os_str())
}

impl Unmatched {
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
                String::from("it is stacked on another mount, which would stay beneath the new set"),
                "unmount one of the two first, or leave out `--strict`",
            ),
            (count, _) => (
                &self.dropped,
                format!(
                    "the new set has no mount for {count} of those in the old one, which would go with it"
                ),
                "unmount those first, or put them into the set; without `--strict` they are told and go",
            ),
        };
        Err(Error::new(ErrorKind::Busy, "replace", reason)
            .arg(target.path())
            .held_by(mounts.iter().map(|(_, place)| Holder::mount_below(place.clone())).collect())
            .hinted(hint))
    }
}
