// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Creates the mounts of a plan, detached, before the first is attached.

use crate::error::Result;
use crate::mountinfo::id::UniqueMountId;
use crate::set::build::failure::is_missing_source;
use crate::set::build::source_in_set::SourceFinder;
use crate::set::build::step_mount::StepMounter;
use crate::set::plan::Plan;
use crate::set::plan::step::Step;
use crate::table::count::mounts_in;
use crate::vfs::tree::Tree;
use rustix::fd::BorrowedFd;
use std::path::PathBuf;

/// The mount of a step before it is attached.
pub(crate) enum NewMount {
    Made(Tree),
    /// A bind mount of this path in the set, made when the mounts before it are attached.
    OfSet(PathBuf),
}

/// The mounts of a plan.
pub(crate) struct NewMounts<'s> {
    pub(crate) mounts: Vec<(&'s Step, NewMount)>,
    /// The numbers of the steps without a source that have the option `nofail`.
    pub(crate) left_out: Vec<usize>,
    /// The unique id of the newest mount. `None` if unknown.
    pub(crate) newest: Option<UniqueMountId>,
    /// The number of mounts in all trees. `None` if unknown, or if the kernel has unique ids.
    pub(crate) count: Option<usize>,
}

/// Creates each mount before attaching the first: attaching may create a directory, which would
/// remain after a failure. Bind mounts of the set itself are created later.
pub(crate) fn create_mounts<'s>(
    step_mounter: &StepMounter<'_>,
    plan: &'s Plan,
    mut sources: SourceFinder,
) -> Result<NewMounts<'s>> {
    let (mut mounts, mut left_out) = (Vec::with_capacity(plan.len()), Vec::new());
    for step in &plan.steps {
        let inside = sources.next(step_mounter.dir, step).map_err(|e| plan.in_step(step, e))?;
        if let Some(path) = inside {
            mounts.push((step, NewMount::OfSet(path)));
            continue;
        }
        match step_mounter.detached(step) {
            Ok(tree) => mounts.push((step, NewMount::Made(tree))),
            Err(error) if step.options.nofail && is_missing_source(&error, step) => {
                left_out.push(step.number);
            }
            Err(error) => return Err(plan.in_step(step, error)),
        }
    }
    let last = mounts.iter().rev().find_map(|(step, mount)| match mount {
        NewMount::Made(tree) => Some((step, tree)),
        NewMount::OfSet(_) => None,
    });
    let (newest, count) = match last {
        Some((_, tree)) if tree.id()?.unique().is_none() => (None, count(step_mounter.dir, &mounts)),
        Some((step, tree)) => (newest_of(step, tree)?, None),
        None => (None, Some(0)),
    };
    Ok(NewMounts { mounts, left_out, newest, count })
}

/// Returns the id of the tree's newest mount, if that is its root.
pub(crate) fn newest_of(step: &Step, tree: &Tree) -> Result<Option<UniqueMountId>> {
    if step.is_tree() { Ok(None) } else { Ok(tree.id()?.unique()) }
}

/// Returns the number of mounts in all trees, or `None` if one cannot be counted.
fn count(dir: BorrowedFd<'_>, mounts: &[(&Step, NewMount)]) -> Option<usize> {
    let count = |(step, mount): &(&Step, NewMount)| match mount {
        NewMount::Made(_) if step.is_tree() => mounts_in(dir, &step.source),
        NewMount::Made(_) => Some(1),
        NewMount::OfSet(_) => None,
    };
    mounts.iter().map(count).sum()
}
