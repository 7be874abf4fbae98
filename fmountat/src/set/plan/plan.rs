// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Plan`: what will be done, in order; made without touching anything.

use crate::error::{Error, ErrorKind, Operation, PlanStep, Result, escape};
use crate::kinds::overlay::ephemeral_uppers::EphemeralUppers;
use crate::set::plan::helpers::Helpers;
use crate::set::plan::nodes::Nodes;
use crate::set::plan::restriction::PathRestrictions;
use crate::set::plan::step::{Step, What};
use crate::set::spec::Spec;
use rustix::fd::AsFd;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
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
    /// Created after all steps.
    pub(crate) nodes: Nodes,
    /// Done last.
    pub(crate) restrictions: PathRestrictions,
    helpers: OnceLock<Result<Helpers>>,
}

impl Plan {
    /// Reads a set, or a list of mounts. No system call is made.
    ///
    /// # Errors
    /// Those of [`Options::parse`](crate::options::Options::parse) and [`Overlay::from_options`](crate::overlay::Overlay::from_options); [`ErrorKind::OptionConflict`] for an option that has no
    /// meaning for its kind of mount; [`ErrorKind::Spec`] for an empty list, a mount without a type, or a device, link or restricted
    /// path that is not absolute; [`ErrorKind::Unsupported`]. [`Error::mount`] has the number of the mount.
    pub fn new(spec: impl Into<Spec>) -> Result<Self> {
        let spec = spec.into();
        let restrictions = PathRestrictions::of(&spec)?;
        let Spec { mounts, compat, devices, links, .. } = spec;
        if mounts.is_empty() {
            return Err(Error::new(ErrorKind::Spec, Operation::ReadMountList, "the list has no mounts"));
        }
        let nodes = Nodes::new(devices, links)?;
        let (mut steps, mut ignored) = (Vec::new(), Vec::new());
        for (at, mount) in mounts.iter().enumerate() {
            let number = mount.number.unwrap_or(at + 1);
            let (step, options) = Step::new(number, mount, compat).map_err(|e| {
                let e = crate::set::options::suggest::of_option(e);
                if mounts.len() > 1 { e.with_plan_step(PlanStep::Mount(number)) } else { e }
            })?;
            ignored.extend(options.into_iter().map(|option| (number, option)));
            steps.push(step);
        }
        let total = steps.len();
        Ok(Self { total, steps, ignored, nodes, restrictions, helpers: OnceLock::new() })
    }

    /// The steps that `keep` takes, with the numbers and helpers that they have here; without what comes after the mounts.
    pub(crate) fn part(&self, keep: impl Fn(&Step) -> bool) -> Self {
        let steps = self.steps.iter().filter(|step| keep(step)).cloned().collect();
        let (ignored, nodes, restrictions) = Default::default();
        Self { steps, total: self.total, ignored, nodes, restrictions, helpers: self.helpers.clone() }
    }

    /// The mount helpers, found when it is first asked.
    pub(crate) fn helpers(&self) -> Result<&Helpers> {
        let find = || Helpers::find(&self.steps, |step, error| self.in_step(step, error));
        self.helpers.get_or_init(find).as_ref().map_err(Clone::clone)
    }

    /// What the kernel mounts, and what mount helpers do, with what comes after all mounts.
    pub(crate) fn by_kernel_and_helpers(&self, helpers: &Helpers) -> (Self, Self) {
        let kernel = self.part(|step| helpers.of(step).is_none());
        let helped = self.part(|step| helpers.of(step).is_some());
        (kernel, Self { nodes: self.nodes.clone(), restrictions: self.restrictions.clone(), ..helped })
    }

    /// Whether open_tree(2) copies all of it: not what is unbindable, nor what is beneath a second root.
    pub(crate) fn can_be_copied(&self) -> bool {
        let roots = self.steps.iter().filter(|step| step.is_root()).count();
        roots <= 1 && !self.steps.iter().any(Step::is_unbindable)
    }

    /// Whether a path inside the set is looked up: a target below `/`, `X-mount.subdir`, a device, a link, or a path restriction.
    pub(crate) fn resolves_targets(&self) -> bool {
        let resolves = |step: &Step| !step.is_root() || step.options.subdir.is_some();
        self.steps.iter().any(resolves) || !self.nodes.is_empty() || !self.restrictions.paths.is_empty()
    }

    /// One mount that is the root, and nothing in it.
    pub(crate) fn is_lone(&self) -> bool {
        self.steps.len() == 1 && self.has_root() && self.nodes.is_empty() && self.restrictions.is_empty()
    }

    /// The options that were ignored, as [`Spec::compat`] allows, each with the number of its mount.
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

    /// What is done when all is mounted, in order, and to which path.
    pub(crate) fn after_mounts(&self) -> Vec<(Operation, PathBuf)> {
        let devices = self.nodes.devices.iter().map(|device| (Operation::CreateDevice, &device.path));
        let links = self.nodes.links.iter().map(|link| (Operation::CreateLink, &link.path));
        let restrictions = &self.restrictions;
        let paths = restrictions.paths.iter().map(|(restriction, path)| (restriction.operation(), path));
        let all = devices.chain(links).chain(paths).map(|(operation, path)| (operation, path.clone()));
        let root = (Operation::MakeRootReadOnly, PathBuf::from("/"));
        all.chain(restrictions.readonly_root.then_some(root)).collect()
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

/// What is done to a path when all is mounted, in words.
pub(crate) fn after_mounts_text(operation: Operation, path: &Path) -> String {
    let path = escape(path.as_os_str().as_bytes());
    match operation {
        Operation::MaskPath | Operation::MakePathReadOnly => format!("{operation} {path}, if it exists"),
        Operation::MakeRootReadOnly => operation.to_string(),
        _ => format!("{operation} {path}"),
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
                    writeln!(f, "recursive bind, {} on the top mount only", step.options.attr.names())?;
                }
                What::Bind { recursive: true } => writeln!(f, "recursive bind")?,
                What::Bind { recursive: false } => writeln!(f, "bind")?,
                What::Filesystem(name) if step.is_fuse() => {
                    writeln!(f, "{}, by its mount helper, after all others", escape(name.as_bytes()))?;
                }
                What::Filesystem(name) => writeln!(f, "new {}", escape(name.as_bytes()))?,
            }
        }
        let mut after = self.after_mounts().into_iter();
        after.try_for_each(|(operation, path)| writeln!(f, "then {}", after_mounts_text(operation, &path)))
    }
}
