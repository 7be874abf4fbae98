// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Plan`: what will be done, in order; made without touching anything.

use crate::error::{Error, ErrorKind, Operation, PlanStep, Result, escape};
use crate::kinds::overlay::ephemeral_uppers::EphemeralUppers;
use crate::set::plan::helpers::Helpers;
use crate::set::plan::restriction::PathRestrictions;
use crate::set::plan::step::{Compat, Step, What};
use crate::set::spec::{Mount, Spec};
use rustix::fd::AsFd;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;

/// A mount list, understood: each step is checked against what its kind can take, and nothing was touched. Which mounts a mount
/// helper makes is looked up when it is first asked, and kept.
///
/// ```
/// use fmountat::{Mount, Plan};
/// let mounts = [Mount::new("tmpfs", "tmpfs"), Mount::new("bind", "/etc").at("etc").option("rbind,rro,X-mount.mkdir")];
/// let plan = Plan::new(&mounts)?;
/// assert_eq!(plan.to_string().lines().next(), Some("1. tmpfs on /: new tmpfs"));
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) steps: Vec<Step>,
    /// Of the list that was read, of which these may be a part.
    total: usize,
    ignored: Vec<(usize, OsString)>,
    /// Done after all steps.
    pub(crate) covers: PathRestrictions,
    helpers: OnceLock<Result<Helpers>>,
}

impl Plan {
    /// Reads the list. No system call is made.
    ///
    /// # Errors
    /// Those of [`Options::parse`](crate::options::Options::parse) and [`Overlay::from_words`](crate::Overlay::from_words); [`ErrorKind::OptionConflict`] for a word that has no
    /// meaning for its kind of mount; [`ErrorKind::Spec`] for an empty list or a mount without a type;
    /// [`ErrorKind::Unsupported`]. The step is `mount N: ...`.
    pub fn new(mounts: &[Mount]) -> Result<Self> {
        Self::with(mounts, Compat::Strict)
    }

    /// As [`new`](Self::new), with words that have no effect where they stand treated as `compat` says.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn with(mounts: &[Mount], compat: Compat) -> Result<Self> {
        if mounts.is_empty() {
            return Err(Error::new(ErrorKind::Spec, Operation::ReadMountList, "the list is empty"));
        }
        let step = |(at, mount): (usize, &Mount)| {
            let of_list = |e: Error| {
                let e = crate::set::options::suggest::of_word(e);
                if mounts.len() > 1 { e.with_plan_step(PlanStep::Mount(at + 1)) } else { e }
            };
            Step::new(at + 1, mount, compat).map_err(of_list)
        };
        let (mut steps, mut ignored) = (Vec::new(), Vec::new());
        for numbered in mounts.iter().enumerate() {
            let (step, words) = step(numbered)?;
            ignored.extend(words.into_iter().map(|word| (step.number, word)));
            steps.push(step);
        }
        let (covers, helpers) = Default::default();
        Ok(Self { total: steps.len(), steps, ignored, covers, helpers })
    }

    /// Reads a set: its mounts, and what is covered in them.
    ///
    /// # Errors
    /// Those of [`new`](Self::new); [`ErrorKind::Spec`] for a covered path that is not absolute.
    pub fn of(spec: &Spec, compat: Compat) -> Result<Self> {
        Ok(Self { covers: PathRestrictions::of(spec)?, ..Self::with(&spec.mounts, compat)? })
    }

    /// The steps that `keep` takes, with the numbers and helpers that they have here; without the covers.
    pub(crate) fn part(&self, keep: impl Fn(&Step) -> bool) -> Self {
        let steps = self.steps.iter().filter(|step| keep(step)).cloned().collect();
        let (ignored, covers) = Default::default();
        Self { steps, total: self.total, ignored, covers, helpers: self.helpers.clone() }
    }

    /// The mount helpers, found when it is first asked.
    pub(crate) fn helpers(&self) -> Result<&Helpers> {
        let find = || Helpers::find(&self.steps, |step, error| self.in_step(step, error));
        self.helpers.get_or_init(find).as_ref().map_err(Clone::clone)
    }

    /// What the kernel mounts, and what mount helpers do, with the path restrictions, which come last.
    pub(crate) fn by_kernel_and_helpers(&self, helpers: &Helpers) -> (Self, Self) {
        let kernel = self.part(|step| helpers.of(step).is_none());
        let helped = self.part(|step| helpers.of(step).is_some());
        (kernel, Self { covers: self.covers.clone(), ..helped })
    }

    /// Whether open_tree(2) copies all of it: not what is unbindable, nor what is beneath a second root.
    pub(crate) fn can_be_copied(&self) -> bool {
        let roots = self.steps.iter().filter(|step| step.is_root()).count();
        roots <= 1 && !self.steps.iter().any(Step::is_unbindable)
    }

    /// Whether a path inside the set is looked up: a target below `/`, `X-mount.subdir`, or a path restriction.
    pub(crate) fn resolves_targets(&self) -> bool {
        let resolves = |step: &Step| !step.is_root() || step.options.subdir.is_some();
        self.steps.iter().any(resolves) || !self.covers.paths.is_empty()
    }

    /// One mount that is the root, and nothing in it.
    pub(crate) fn is_lone(&self) -> bool {
        self.steps.len() == 1 && self.has_root() && self.covers.is_empty()
    }

    /// The words that were ignored with [`Compat::Containerd`], each with the number of its mount.
    #[must_use]
    pub fn ignored(&self) -> &[(usize, OsString)] {
        &self.ignored
    }

    /// Whether the set brings its own root: otherwise its mounts go into a copy of what is at the target.
    #[must_use]
    pub fn has_root(&self) -> bool {
        self.steps.first().is_some_and(Step::is_root)
    }

    /// Gives the overlays that are the root of the set an upper directory of `uppers`, unless they have one or are `ro`: what is
    /// written to the root is then thrown away. Relative lowers start at `dir`.
    ///
    /// # Errors
    /// Those of [`EphemeralUppers::give`].
    pub fn give_root_upper(&mut self, dir: impl AsFd, uppers: &EphemeralUppers) -> Result<()> {
        for step in self.steps.iter_mut().filter(|step| step.is_root()) {
            let is_read_only = step.options.superblock.contains(&"ro");
            if let What::Overlay(overlay) = &mut step.what {
                if !overlay.is_writable() && !is_read_only {
                    *overlay = uppers.give(dir.as_fd(), overlay.clone())?;
                }
            }
        }
        Ok(())
    }

    /// The error of one step, with its number if there are several.
    pub(crate) fn in_step(&self, step: &Step, error: Error) -> Error {
        let error = crate::diagnose::diagnose(error);
        if self.total == 1 {
            return error;
        }
        error.with_plan_step(PlanStep::Mount(step.number))
    }

    /// The number of mounts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Never true: an empty list is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.has_root() {
            writeln!(f, "0. copy of the target on /: recursive bind, private")?;
        }
        for step in &self.steps {
            let path = |path: &Path| escape(path.as_os_str().as_bytes());
            let target = path(&step.target);
            let target = target.trim_start_matches('/');
            let source = path(&step.source);
            write!(f, "{}. {source} on /{target}: ", step.number)?;
            match &step.what {
                What::Overlay(overlay) => {
                    let how = if overlay.is_writable() { "writable" } else { "read-only" };
                    writeln!(
                        f,
                        "overlay of {} layers, {how}",
                        overlay.lowers.len() + overlay.data_only.len()
                    )?;
                }
                // `ro` and its like are for the top mount of a tree, `rro` and its like for all of it.
                What::Bind { recursive: true } if !step.options.attr.set.is_empty() => {
                    writeln!(f, "recursive bind, {} on the top mount only", step.options.attr.words())?;
                }
                What::Bind { recursive: true } => writeln!(f, "recursive bind")?,
                What::Bind { recursive: false } => writeln!(f, "bind")?,
                What::Filesystem(name) if step.is_fuse() => {
                    writeln!(f, "{}, by its mount helper, after all others", escape(name.as_bytes()))?;
                }
                What::Filesystem(name) => writeln!(f, "new {}", escape(name.as_bytes()))?,
            }
        }
        for (cover, path) in &self.covers.paths {
            writeln!(
                f,
                "then {} {}, if it exists",
                cover.operation().text(),
                escape(path.as_os_str().as_bytes())
            )?;
        }
        if self.covers.readonly_root {
            writeln!(f, "then make the root read-only")?;
        }
        Ok(())
    }
}
