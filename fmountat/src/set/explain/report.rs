// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What explain found out, as data.

use crate::error::{Error, Operation};
use crate::strategy::Strategy;
use crate::vfs::feature_table::KernelFeature;
use std::path::PathBuf;

/// What [`Mounter::apply`](crate::Mounter::apply) would do with a plan on a target: data, which prints as a plan that people read.
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
    /// The way that would be taken.
    pub strategy: Strategy,
    /// Why that one.
    pub why: &'static str,
    /// Whether the mounts go into a copy of what is at the target: the set has no root of its own.
    pub into_copy: bool,
    /// The mounts, in order.
    pub steps: Vec<ExplainedStep>,
    /// What is done when all is mounted, in order, and to which path in the set.
    pub after_mounts: Vec<(Operation, PathBuf)>,
    /// What of the kernel is used, and whether it is there.
    pub needs: Vec<Needed>,
    /// The numbers of mounts that would be left out: no source, and `nofail`.
    pub left_out: Vec<usize>,
    /// Everything that would be refused; the first one is what `apply` would fail with.
    pub refused: Vec<Error>,
}

/// One mount of an [`Explanation`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExplainedStep {
    /// From 1, as in the list.
    pub number: usize,
    /// Inside the set.
    pub target: PathBuf,
    /// What it is made from.
    pub source: PathBuf,
    /// `overlay`, `bind`, `tmpfs`, ... and how: a sentence without its point.
    pub what: String,
    /// Further things to know, a sentence each.
    pub notes: Vec<String>,
    /// Lower and data-only layers of an overlay.
    pub layers: usize,
    /// Bytes of the file system's options, paths of layers included: mount(2) takes 4,095.
    pub option_bytes: usize,
    /// What it would be refused with.
    pub refused: Option<Error>,
}

/// A feature of the kernel that is used.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Needed {
    /// Which, since when, and what is done without.
    pub feature: &'static KernelFeature,
    /// Whether it is there.
    pub is_there: bool,
}

impl Explanation {
    /// The error that [`Mounter::apply`](crate::Mounter::apply) would end in, as far as looking can tell; `None` where it should work.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        self.refused.first()
    }
}
