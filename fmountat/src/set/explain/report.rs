// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Explanation`: the prediction as data.

use crate::error::{Error, Operation};
use crate::strategy::Strategy;
use crate::vfs::feature_table::KernelFeature;
use std::path::PathBuf;

/// What [`Mounter::apply`](crate::Mounter::apply) would do with a plan on a target. It is data;
/// `Display` prints it as a plan for people.
///
/// ```no_run
/// use fmountat::{Mount, Mounter, Plan, Target};
/// let plan = Plan::new(&[Mount::new("overlay", "overlay").option("lowerdir=2/fs:1/fs")])?;
/// let target = Target::open(fmountat::CWD, "/srv/rootfs")?;
/// let explained = Mounter::detached().explain(fmountat::CWD, &plan, &target);
/// println!("{explained}");
/// if let Some(error) = explained.error() {
///     println!("it would fail: {error}");
/// }
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Explanation {
    /// The strategy that would be used.
    pub strategy: Strategy,
    /// The reason for this strategy.
    pub why: &'static str,
    /// Whether the mounts are attached in a copy of the tree at the target: the set has no root of
    /// its own.
    pub into_copy: bool,
    /// The mounts, in order.
    pub steps: Vec<ExplainedStep>,
    /// The operations after all mounts, in order, each with its path in the set.
    pub after_mounts: Vec<(Operation, PathBuf)>,
    /// The kernel features that are used, and whether this kernel has them.
    pub needs: Vec<Needed>,
    /// The numbers of the mounts that would be left out: their source is missing and they have the
    /// option `nofail`.
    pub left_out: Vec<usize>,
    /// All errors that would occur. `apply` would fail with the first one.
    pub refused: Vec<Error>,
}

/// One mount of an [`Explanation`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExplainedStep {
    /// The number of the mount in the list, from 1.
    pub number: usize,
    /// The mount point inside the set.
    pub target: PathBuf,
    /// The source of the mount.
    pub source: PathBuf,
    /// The kind of mount (`overlay`, `bind`, `tmpfs`, ...) and how it is made: a sentence without
    /// the full stop.
    pub what: String,
    /// Further information, one sentence each.
    pub details: Vec<String>,
    /// The number of lower and data-only layers of an overlay.
    pub layers: usize,
    /// The length of the file system's options in bytes, including the paths of layers. mount(2)
    /// accepts 4,095.
    pub option_bytes: usize,
    /// The error of this mount, if it would fail.
    pub refused: Option<Error>,
}

/// A kernel feature that is used.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Needed {
    /// Its name, its release, and the substitute where it is missing.
    pub feature: &'static KernelFeature,
    /// Whether this kernel has it.
    pub is_there: bool,
}

impl Explanation {
    /// Returns the error that [`Mounter::apply`](crate::Mounter::apply) would fail with, as far as
    /// it can be predicted. `None` if it should work.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        self.refused.first()
    }
}
