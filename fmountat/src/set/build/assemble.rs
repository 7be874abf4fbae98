// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a plan to a set that nobody sees: each mount made detached, then put in its place in a tree.

use crate::diagnose::diagnose;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::mountinfo::id::{MountId, UniqueMountId};
use crate::set::build::detached_set::{DetachedSet, duplicate};
use crate::set::build::failure::{cannot_assemble, every_mount_left_out, is_missing_source, without_root};
use crate::set::build::late_mount::{LateMount, MountedRoot};
use crate::set::build::mounter::Mounter;
use crate::set::build::step_mount::{StepMounter, set_root_owner};
use crate::set::build::{nodes, restrict};
use crate::set::plan::Plan;
use crate::set::plan::step::Step;
use crate::strategy::{Strategies, Strategy};
use crate::table::count::{mounts_in, mounts_in_copy};
use crate::trace;
use crate::vfs::attr::MountAttr;
use crate::vfs::context::FsContext;
use crate::vfs::hidden::HiddenPlace;
use crate::vfs::identity::{is_dir, mount_with_root};
use crate::vfs::private_namespace::in_private_namespace;
use crate::vfs::target::Target;
use crate::vfs::tree::{Attached, Tree};
use rustix::fd::{AsFd, BorrowedFd};
use std::path::Path;

impl Mounter {
    /// Builds the plan's mounts as one detached tree; relative sources and layers start at `dir`. A plan without a root
    /// of its own gets a private copy of what is at `target`, and its mounts go into that; one with a root needs none (`None`). Without a
    /// target, in a process [alone in its mount namespace](Self::in_own_namespace), it is mounted there, to be [entered](crate::DetachedSet::enter),
    /// where the kernel can't mount into a detached tree \[before Linux 6.15\].
    ///
    /// # Errors
    /// The failing mount's own, with the step `mount N: ...` when there are several; nothing was published, and nothing
    /// is left. [`ErrorKind::AllLeftOut`]. [`ErrorKind::Unsupported`] where the kernel has no new mount API \[Linux 5.2\],
    /// or several mounts can be put together neither in a detached tree \[Linux 6.15\] nor in a private mount namespace;
    /// and for what a mount helper mounts; [`ErrorKind::Spec`] without a root and without a target: see [`need_no_helper`](Self::need_no_helper).
    pub fn build<'t>(
        &self,
        dir: impl AsFd,
        plan: &Plan,
        target: impl Into<Option<&'t Target>>,
    ) -> Result<DetachedSet> {
        self.need_mount_interface(plan.resolves_targets())?;
        self.need_no_helper(plan)?;
        self.build_set(dir.as_fd(), plan, target.into())
    }

    /// The same of a plan that was decided on.
    pub(crate) fn build_set(
        &self,
        dir: BorrowedFd<'_>,
        plan: &Plan,
        target: Option<&Target>,
    ) -> Result<DetachedSet> {
        let base = match target {
            _ if plan.has_root() => None,
            Some(target) => Some(copy_of_target(target)?),
            None => return Err(needs_target()),
        };
        self.build_on(dir, base, plan, target.is_none() && self.mounts_here())
    }

    /// Starts a set with `tree` as its root, for [`build_onto`](Self::build_onto). In a process
    /// [alone in its mount namespace](Self::in_own_namespace) the tree is mounted there, where the kernel can't mount into a detached one.
    ///
    /// ```no_run
    /// use fmountat::{Mount, Mounter, Plan, Tree};
    /// use fmountat::CWD;
    /// fmountat::unshare_mount_and_pid()?; // and in the first child:
    /// let mounter = Mounter::detached().in_own_namespace();
    /// let set = mounter.begin(Tree::clone_of(CWD, "/srv/rootfs", false)?)?;
    /// let plan = Plan::new(&[Mount::new("proc", "proc").at("/proc")])?;
    /// mounter.build_onto(CWD, set, &plan)?.enter()?;
    /// # Ok::<(), fmountat::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where a seccomp filter forbids the mount interface, or the mount namespace is shared with others.
    pub fn begin(&self, tree: Tree) -> Result<DetachedSet> {
        self.need_mount_interface(true)?;
        let hidden = self.hide(tree.root()).map_err(|e| e.with_argument("/"))?;
        Ok(DetachedSet { hidden, ..DetachedSet::from_tree(tree)? })
    }

    /// Mounts the plan's mounts into a set that was built already; one for `/` covers the set's root. Relative sources and layers
    /// start at `dir`. [`DetachedSet::left_out`] then has the numbers of this plan.
    ///
    /// # Errors
    /// Those of [`build`](Self::build). The set is dissolved.
    pub fn build_onto(&self, dir: impl AsFd, set: DetachedSet, plan: &Plan) -> Result<DetachedSet> {
        self.need_mount_interface(plan.resolves_targets())?;
        let is_here = set.hidden.is_some();
        self.build_on(dir.as_fd(), Some(set), plan, is_here)
    }

    /// Adds the plan's mounts to what was built already; with `is_here` in the process's own namespace.
    fn build_on(
        &self,
        dir: BorrowedFd<'_>,
        base: Option<DetachedSet>,
        plan: &Plan,
        is_here: bool,
    ) -> Result<DetachedSet> {
        let (strategy, place) = match is_here {
            true => (Strategy::PrivateNamespace, Place::Here),
            false => match self.assembly(plan, base.is_none() && plan.is_lone()) {
                Some(Strategy::PrivateNamespace) => (Strategy::PrivateNamespace, Place::Hidden),
                Some(strategy) => (strategy, Place::Detached),
                None => return Err(cannot_assemble()),
            },
        };
        strategy.record();
        let mut builder = Builder::new(StepMounter { mounter: self, dir }, base, plan);
        let mounts = builder.create_mounts(plan)?;
        match place {
            // The builder outlives the namespace: directories that it made can be taken away when nothing is mounted there.
            Place::Hidden => in_private_namespace(|| builder.assemble(plan, mounts, place))?,
            Place::Detached | Place::Here => builder.assemble(plan, mounts, place)?,
        }
        builder.finish()
    }
}

/// Where a set is while it is put together.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Nowhere: the kernel mounts into a detached tree.
    Detached,
    /// In a private mount namespace; a copy of it takes its place in the end.
    Hidden,
    /// In the process's own namespace, which is left with the old root.
    Here,
}

fn needs_target() -> Error {
    let reason = "no mount has the target `/`, and there is no target directory to copy";
    Error::new(ErrorKind::Spec, Operation::ReadMountList, reason)
        .with_hint("add a first mount with the target `/`, or give a target directory")
}

/// A plan without a root mounts into a private copy of what is there.
fn copy_of_target(target: &Target) -> Result<DetachedSet> {
    let copy = DetachedSet::from_tree(Tree::private_copy(target).map_err(diagnose)?)?;
    let is_known = copy.tree.id()?.unique().is_some();
    let mounts = if is_known { None } else { mounts_in_copy(target.as_fd()) };
    Ok(DetachedSet { mounts, ..copy })
}

/// How many mounts they are.
fn mounts_of(dir: BorrowedFd<'_>, made: &[(&Step, Tree)]) -> Option<usize> {
    let count = |step: &Step| if step.is_tree() { mounts_in(dir, &step.source) } else { Some(1) };
    made.iter().map(|(step, _)| count(step)).sum()
}

struct Builder<'a> {
    step_mounter: StepMounter<'a>,
    built: Option<DetachedSet>,
    left_out: Vec<usize>,
    /// The newest mount so far, if it is known: of a copy of a tree only the root can be asked for its id.
    newest: Option<UniqueMountId>,
    /// How many mounts there are, if that is known.
    mounts: Option<usize>,
    readonly_root: bool,
    /// One empty file system masks all directories: to make one, and to take it away, costs more than all else of it.
    mask: Option<Attached>,
}

/// Creates a throw-away mount and returns its unique id \[Linux 6.8\]: it is an upper bound for all ids so far. It is a copy of
/// the tree's root, or a new file system where that can't be copied: it is unbindable, or has locked mounts in it.
pub(crate) fn newer_than_all(tree: &Tree) -> Result<Option<UniqueMountId>> {
    let copy = Tree::clone_of(tree.root(), "", false);
    let newest = copy.or_else(|_| FsContext::open("tmpfs")?.create()?.mount(&MountAttr::default()))?;
    Ok(newest.id()?.unique())
}

impl<'a> Builder<'a> {
    fn new(step_mounter: StepMounter<'a>, built: Option<DetachedSet>, plan: &Plan) -> Self {
        let mounts = built.as_ref().map_or(Some(0), |built| built.mounts);
        let readonly_root = plan.restrictions.readonly_root;
        Self { step_mounter, built, left_out: Vec::new(), newest: None, mounts, readonly_root, mask: None }
    }

    /// Makes each mount, detached, before any is put in its place: that may make a directory, which would stay after a failure.
    fn create_mounts<'s>(&mut self, plan: &'s Plan) -> Result<Vec<(&'s Step, Tree)>> {
        let mut made = Vec::with_capacity(plan.len());
        for step in &plan.steps {
            made.extend(self.create_mount(step).map_err(|e| plan.in_step(step, e))?.map(|tree| (step, tree)));
        }
        if let Some((step, tree)) = made.last() {
            self.note(step, tree)?;
            let is_counted = tree.id()?.unique().is_none();
            let counted = || Some(self.mounts? + mounts_of(self.step_mounter.dir, &made)?);
            self.mounts = if is_counted { counted() } else { None };
        }
        Ok(made)
    }

    /// The step's mount, unless its source is missing and that is no error.
    fn create_mount(&mut self, step: &Step) -> Result<Option<Tree>> {
        match self.step_mounter.detached(step) {
            Err(error) if step.options.nofail && is_missing_source(&error, step) => {
                self.left_out.push(step.number);
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    /// Puts the mounts together, in the order in which a container's root comes to be.
    fn assemble(&mut self, plan: &Plan, mut mounts: Vec<(&Step, Tree)>, place: Place) -> Result<()> {
        self.attach_root(plan, &mut mounts)?;
        self.enter(place)?;
        self.attach_mounts(plan, mounts)?;
        self.create_nodes(plan)?;
        self.restrict_paths(plan)?;
        self.make_root_read_only()?;
        self.leave(place)
    }

    /// The first mount is the root, unless there is one.
    fn attach_root(&mut self, plan: &Plan, mounts: &mut Vec<(&Step, Tree)>) -> Result<()> {
        if self.built.is_some() || mounts.is_empty() {
            return Ok(());
        }
        let (step, mount) = mounts.remove(0);
        if !step.is_root() {
            return Err(plan.in_step(step, without_root(&step.target)));
        }
        set_root_owner(mount.root(), step).map_err(|e| plan.in_step(step, e))?;
        self.built = Some(DetachedSet::from_tree(mount)?);
        trace::attached(step.number, &step.target);
        Ok(())
    }

    /// Makes the root a mount that others can be mounted in.
    fn enter(&mut self, place: Place) -> Result<()> {
        match (place, &mut self.built) {
            (Place::Detached, _) => Ok(()),
            (_, None) => Err(every_mount_left_out()),
            (Place::Hidden, Some(built)) => HiddenPlace::with(built.tree.root()).map(drop),
            (Place::Here, Some(built)) if built.hidden.is_some() => Ok(()),
            (Place::Here, Some(built)) => {
                built.hidden =
                    self.step_mounter.mounter.hide(built.tree.root()).map_err(|e| e.with_argument("/"))?;
                Ok(())
            }
        }
    }

    fn attach_mounts(&mut self, plan: &Plan, mounts: Vec<(&Step, Tree)>) -> Result<()> {
        for (step, mount) in mounts {
            self.attach_mount(step, mount).map_err(|e| plan.in_step(step, e))?;
        }
        Ok(())
    }

    fn attach_mount(&mut self, step: &Step, mount: Tree) -> Result<()> {
        set_root_owner(mount.root(), step)?;
        let Some(built) = &mut self.built else { return Err(without_root(&step.target)) };
        if step.is_root() {
            let top = Target::in_root(&built.top, "")?;
            built.top = mount.attach(&top)?.into_fd();
        } else {
            attach_at(built, mount, step)?;
        }
        trace::attached(step.number, &step.target);
        Ok(())
    }

    /// Nothing is left to do where every mount was left out.
    fn create_nodes(&mut self, plan: &Plan) -> Result<()> {
        if self.built.is_some() { nodes::create_nodes(self, &plan.nodes, plan.len() + 1) } else { Ok(()) }
    }

    fn restrict_paths(&mut self, plan: &Plan) -> Result<()> {
        match self.built {
            Some(_) => restrict::restrict_paths(self, &plan.restrictions, plan.len() + 1),
            None => Ok(()),
        }
    }

    fn make_root_read_only(&self) -> Result<()> {
        match &self.built {
            Some(built) if self.readonly_root => built.make_read_only(),
            _ => Ok(()),
        }
    }

    /// Takes a copy of what is hidden, which nobody has seen and nobody can reach.
    fn leave(&mut self, place: Place) -> Result<()> {
        let (Place::Hidden, Some(built)) = (place, &mut self.built) else { return Ok(()) };
        if MountId::of(built.root())? != built.tree.id()? {
            return Err(cannot_assemble());
        }
        built.tree = Tree::clone_of(built.tree.root(), "", true)?;
        built.top = duplicate(built.tree.root())?;
        built.stacks.copied_to(built.top.as_fd());
        self.newest = None;
        Ok(())
    }

    fn finish(self) -> Result<DetachedSet> {
        let Some(built) = self.built else { return Err(every_mount_left_out()) };
        let newest = match self.newest {
            None if built.tree.id()?.unique().is_some() => newer_than_all(&built.tree)?,
            known => known,
        };
        Ok(DetachedSet { left_out: self.left_out, newest, mounts: self.mounts, ..built })
    }

    fn note(&mut self, step: &Step, tree: &Tree) -> Result<()> {
        self.newest = if step.is_tree() { None } else { tree.id()?.unique() };
        Ok(())
    }
}

impl MountedRoot for Builder<'_> {
    fn root(&self, _: &Path) -> Result<BorrowedFd<'_>> {
        self.built.as_ref().map(DetachedSet::root).ok_or_else(every_mount_left_out)
    }

    fn attach(&mut self, late: &LateMount) -> Result<()> {
        let mask = self.mask.as_ref().filter(|_| late.is_empty_directory());
        let mount = match mask {
            Some(mask) => Tree::clone_of(mask.root(), "", false)?,
            None => late.mounter(&self.step_mounter).detached(&late.step)?,
        };
        self.note(&late.step, &mount)?;
        self.mounts = self.mounts.map(|mounts| mounts + 1);
        let beneath = mount_with_root(late.place.as_fd())?;
        let attached = mount.attach(&late.place)?;
        trace::attached(late.step.number, &late.step.target);
        if let Some(built) = &mut self.built {
            built.stacks.add(attached.id(), beneath, &late.step.target);
        }
        if late.is_empty_directory() {
            self.mask = Some(attached);
        }
        Ok(())
    }

    fn restrict_root(&mut self) -> Result<()> {
        self.readonly_root = true;
        Ok(())
    }
}

/// The step's place below the root, made if it is to be: a file for a file.
pub(crate) fn mount_point(
    root: BorrowedFd<'_>,
    step: &Step,
    is_dir: impl FnOnce() -> Result<bool>,
) -> Result<Target> {
    let path = step.target.as_path();
    let target = match step.options.mkdir {
        None => Target::in_root(root, path).map_err(|e| match e.kind() {
            ErrorKind::NotFound => e.with_hint("create the mount point, or add the option X-mount.mkdir"),
            _ => e,
        }),
        Some(mkdir) => Target::create_in_root(root, path, mkdir.create(is_dir()?)),
    }?;
    if step.needs_plain_target() {
        target.need_no_link(root)?;
    }
    Ok(target)
}

/// Mounts the piece at its place inside the tree.
fn attach_at(built: &mut DetachedSet, tree: Tree, step: &Step) -> Result<()> {
    let (root, path) = (built.top.as_fd(), step.target.as_path());
    let target = mount_point(root, step, || is_dir(tree.root()))?;
    built.made.take_over(target.made());
    // A link or `..` may lead to the root of the set itself.
    let beneath = mount_with_root(target.as_fd())?;
    let is_root = beneath.is_some() && beneath == Some(MountId::of(root)?);
    let attached = tree.attach(&target).map_err(|e| Error::from(e).with_argument(path))?;
    built.stacks.add(attached.id(), beneath, path);
    if is_root {
        built.top = attached.into_fd();
    }
    Ok(())
}
