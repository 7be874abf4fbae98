// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Plan`: the checked steps of a set, in order.

use crate::error::{Error, ErrorKind, Operation, PlanStep, Result, escape};
use crate::kinds::overlay::ephemeral_uppers::EphemeralUppers;
use crate::set::plan::helpers::Helpers;
use crate::set::plan::nodes::Nodes;
use crate::set::plan::restriction::PathRestrictions;
use crate::set::plan::step::{Rules, Step, What};
use crate::set::spec::Spec;
use crate::vfs::attr::{MountAttr, Propagation, set_attr};
use rustix::fd::{AsFd, BorrowedFd};
use std::collections::HashSet;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A parsed mount list. Each step is checked against the options of its kind of mount, without a
/// system call. The mount helpers are searched at the first use and cached.
///
/// ```
/// use fmountat::{Mount, Plan};
/// let etc = Mount::new("bind", "/etc").at("etc").option("rbind,rro,X-mount.mkdir");
/// let mounts = [Mount::new("tmpfs", "tmpfs"), etc];
/// let plan = Plan::new(&mounts)?;
/// assert_eq!(plan.to_string().lines().next(), Some("1. tmpfs on /: new tmpfs"));
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) steps: Vec<Step>,
    /// The number of mounts in the list; `steps` may be a part of them.
    total: usize,
    ignored: Vec<(usize, OsString)>,
    /// Created after all steps.
    pub(crate) nodes: Nodes,
    /// Applied last.
    pub(crate) restrictions: PathRestrictions,
    /// Set at the very end: mounts on a shared mount would become shared.
    pub(crate) root_propagation: Option<Propagation>,
    helpers: OnceLock<Result<Helpers>>,
}

impl Plan {
    /// Parses a set or a list of mounts without a system call.
    ///
    /// # Errors
    /// Those of [`Options::parse`](crate::options::Options::parse) and
    /// [`Overlay::from_options`](crate::overlay::Overlay::from_options);
    /// [`ErrorKind::OptionConflict`] for an option that has no meaning for its kind of mount;
    /// [`ErrorKind::Spec`] for an empty list, a mount without a type, or a device or link whose
    /// path does not end in a name; [`ErrorKind::Unsupported`]. [`Error::mount`] has the number of
    /// the mount.
    pub fn new(spec: impl Into<Spec>) -> Result<Self> {
        let spec = spec.into();
        let restrictions = PathRestrictions::of(&spec)?;
        let Spec { mounts, compat, bind_propagation, devices, links, root_propagation, .. } = spec;
        // A slave needs a master: the root is a slave if it is a bind.
        let is_own = |to: &Propagation| matches!(to, Propagation::Shared | Propagation::Unbindable);
        let root_propagation = root_propagation.filter(is_own);
        let rules = Rules { compat, bind_propagation };
        if mounts.is_empty() {
            return Err(Error::new(ErrorKind::Spec, Operation::ReadMountList, "the list has no mounts"));
        }
        let nodes = Nodes::new(devices, links)?;
        let (mut steps, mut ignored) = (Vec::new(), Vec::new());
        for (at, mount) in mounts.iter().enumerate() {
            let number = mount.number.unwrap_or(at + 1);
            let (step, options) = Step::new(number, mount, &rules).map_err(|e| {
                let e = crate::set::options::suggest::of_option(e);
                if mounts.len() > 1 { e.with_plan_step(PlanStep::Mount(number)) } else { e }
            })?;
            ignored.extend(options.into_iter().map(|option| (number, option)));
            steps.push(step);
        }
        put_off_read_only(&mut steps, &nodes);
        let total = steps.len();
        let helpers = OnceLock::new();
        Ok(Self { total, steps, ignored, nodes, restrictions, root_propagation, helpers })
    }

    /// Returns a plan with the steps for which `keep` is true, with their numbers and helpers but
    /// without nodes, path restrictions and propagation of the root.
    pub(crate) fn part(&self, keep: impl Fn(&Step) -> bool) -> Self {
        let steps = self.steps.iter().filter(|step| keep(step)).cloned().collect();
        let (ignored, nodes, restrictions, root_propagation) = Default::default();
        let helpers = self.helpers.clone();
        Self { steps, total: self.total, ignored, nodes, restrictions, root_propagation, helpers }
    }

    /// Returns the mount helpers. Searches them at the first call.
    pub(crate) fn helpers(&self) -> Result<&Helpers> {
        let find = || Helpers::find(&self.steps, |step, error| self.in_step(step, error));
        self.helpers.get_or_init(find).as_ref().map_err(Clone::clone)
    }

    /// Splits the plan into the kernel's mounts and the helpers' mounts. The second part gets the
    /// nodes, path restrictions and propagation of the root.
    pub(crate) fn by_kernel_and_helpers(&self, helpers: &Helpers) -> (Self, Self) {
        let kernel = self.part(|step| helpers.of(step).is_none());
        let helped = self.part(|step| helpers.of(step).is_some());
        let (nodes, restrictions) = (self.nodes.clone(), self.restrictions.clone());
        (kernel, Self { nodes, restrictions, root_propagation: self.root_propagation, ..helped })
    }

    /// Reports whether open_tree(2) copies the whole set. It copies neither unbindable mounts nor
    /// those beneath a second root.
    pub(crate) fn can_be_copied(&self) -> bool {
        let roots = self.steps.iter().filter(|step| step.is_root()).count();
        roots <= 1 && !self.steps.iter().any(Step::is_unbindable)
    }

    /// Reports whether a mount below the root becomes read-only after all mounts are attached.
    pub(crate) fn sets_read_only_last(&self) -> bool {
        self.steps.iter().any(|step| step.read_only_last && !step.is_root())
    }

    /// Reports whether a path inside the set is resolved: a target below `/`, `X-mount.subdir`, a
    /// device, a link, or a path restriction.
    pub(crate) fn resolves_targets(&self) -> bool {
        let resolves = |step: &Step| !step.is_root() || step.options.subdir.is_some();
        self.steps.iter().any(resolves) || !self.nodes.is_empty() || !self.restrictions.paths.is_empty()
    }

    /// Reports whether the plan is a single mount for `/` without nodes and path restrictions.
    pub(crate) fn is_lone(&self) -> bool {
        self.steps.len() == 1 && self.has_root() && self.nodes.is_empty() && self.restrictions.is_empty()
    }

    /// Returns the options that were ignored, as [`Spec::compat`] allows, each with the number of
    /// its mount.
    #[must_use]
    pub fn ignored(&self) -> &[(usize, OsString)] {
        &self.ignored
    }

    /// Reports whether the set has its own root. Otherwise its mounts are attached in a copy of
    /// the tree at the target.
    #[must_use]
    pub fn has_root(&self) -> bool {
        self.steps.first().is_some_and(Step::is_root)
    }

    /// Gives each overlay for `/` an upper directory of `uppers`, unless it has one or is `ro`.
    /// Changes to the root are then discarded. Relative lowers start at `dir`.
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

    /// Adds the step's number to the error, if there are several steps.
    pub(crate) fn in_step(&self, step: &Step, error: Error) -> Error {
        let error = crate::diagnose::diagnose(error);
        if self.total == 1 {
            return error;
        }
        error.with_plan_step(PlanStep::Mount(step.number))
    }

    /// Sets the propagation of the root, when all else is done.
    pub(crate) fn set_root_propagation(&self, root: BorrowedFd<'_>) -> Result<()> {
        let Some(propagation) = self.root_propagation else { return Ok(()) };
        let attr = MountAttr { propagation: Some(propagation), ..MountAttr::default() };
        set_attr(root, &attr, false).map_err(|e| e.with_operation(Operation::SetRootPropagation))
    }

    /// Returns the operations after all mounts, in order, each with its path.
    pub(crate) fn after_mounts(&self) -> Vec<(Operation, PathBuf)> {
        let devices = self.nodes.devices.iter().map(|device| (Operation::CreateDevice, &device.path));
        let links = self.nodes.links.iter().map(|link| (Operation::CreateLink, &link.path));
        let restrictions = &self.restrictions;
        let paths = restrictions.paths.iter().map(|(restriction, path)| (restriction.operation(), path));
        let all = devices.chain(links).chain(paths).map(|(operation, path)| (operation, path.clone()));
        let root = (Operation::MakeRootReadOnly, PathBuf::from("/"));
        let propagation = self.root_propagation.map(|_| (Operation::SetRootPropagation, PathBuf::from("/")));
        all.chain(restrictions.readonly_root.then_some(root)).chain(propagation).collect()
    }

    /// Returns the number of mounts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Returns false: an empty list is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// Postpones `ro` of mounts in which a later mount needs a new mount point, or the set a device or
/// link. Compares paths by name.
fn put_off_read_only(steps: &mut [Step], nodes: &Nodes) {
    let above = |path: &Path| -> Vec<PathBuf> {
        Path::new("/").join(path).ancestors().skip(1).map(PathBuf::from).collect()
    };
    let devices = nodes.devices.iter().map(|device| &device.path);
    let mut written: HashSet<PathBuf> =
        devices.chain(nodes.links.iter().map(|link| &link.path)).flat_map(|path| above(path)).collect();
    for step in steps.iter_mut().rev() {
        if written.contains(&Path::new("/").join(&step.target)) {
            step.put_off_read_only();
        }
        if step.options.mkdir.is_some() {
            written.extend(above(&step.target));
        }
    }
}

/// Describes an operation after all mounts.
pub(crate) fn after_mounts_text(operation: Operation, path: &Path) -> String {
    let path = escape(path.as_os_str().as_bytes());
    match operation {
        Operation::MaskPath | Operation::MakePathReadOnly => format!("{operation} {path}, if it exists"),
        Operation::MakeRootReadOnly | Operation::SetRootPropagation => operation.to_string(),
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
                // `ro` and the like apply to the top mount of a tree, `rro` and the like to all its
                // mounts.
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
