// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Builds a plan: creates each mount detached, then attaches it at its place in one tree.

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::mountinfo::id::{MountId, UniqueMountId};
use crate::set::build::attach::attach_at;
use crate::set::build::detached_set::{DetachedSet, duplicate};
use crate::set::build::failure::{cannot_assemble, every_mount_left_out, is_missing_source, without_root};
use crate::set::build::late_mount::{LateMount, MountedRoot};
use crate::set::build::mounter::Mounter;
use crate::set::build::new_mounts::{NewMount, NewMounts, create_mounts, newest_of};
use crate::set::build::source_in_set::{SourceFinder, bind_from_set};
use crate::set::build::step_mount::{StepMounter, set_root_owner};
use crate::set::build::{nodes, restrict};
use crate::set::plan::Plan;
use crate::set::plan::step::Step;
use crate::strategy::{Strategies, Strategy};
use crate::trace;
use crate::vfs::attr::MountAttr;
use crate::vfs::context::FsContext;
use crate::vfs::copied_namespace::in_copied_namespace;
use crate::vfs::hidden_place::HiddenPlace;
use crate::vfs::identity::is_same_place;
use crate::vfs::target::Target;
use crate::vfs::tree::{Attached, Tree};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

impl Mounter {
    /// Builds the plan's mounts as one detached tree. Relative sources and layers start at `dir`.
    /// If the plan has no mount for `/`, its mounts are attached in a private copy of the tree at
    /// `target`; otherwise `target` may be `None`.
    ///
    /// Where the kernel cannot mount into a detached tree \[before Linux 6.15\], a process that is
    /// [alone in its mount namespace](Self::in_own_namespace) and gives no target gets the set
    /// mounted in that namespace, to be [entered](crate::DetachedSet::enter).
    ///
    /// # Errors
    /// The failing mount's own, with the step `mount N: ...` when there are several. Nothing was
    /// published then, and nothing is left behind. [`ErrorKind::AllLeftOut`].
    /// [`ErrorKind::Unsupported`] where the kernel has no new mount API \[Linux 5.2\]; where
    /// several mounts can be assembled neither in a detached tree \[Linux 6.15\] nor in a private
    /// mount namespace; and for a mount by a mount helper: see
    /// [`need_no_helper`](Self::need_no_helper). [`ErrorKind::Spec`] without a root and without a
    /// target.
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

    /// Builds the plan without checking the mount interface and the helpers again.
    pub(crate) fn build_set(
        &self,
        dir: BorrowedFd<'_>,
        plan: &Plan,
        target: Option<&Target>,
    ) -> Result<DetachedSet> {
        let base = match target {
            _ if plan.has_root() => None,
            Some(target) => Some(DetachedSet::copy_of(target, self)?),
            None => return Err(needs_target()),
        };
        let is_own_namespace = target.is_none() && self.mounts_here();
        self.build_on(dir, base, plan, SourceFinder::new(target), is_own_namespace)
    }

    /// Starts a set with `tree` as its root, for [`build_onto`](Self::build_onto). Where the kernel
    /// cannot mount into a detached tree, a process [alone in its mount
    /// namespace](Self::in_own_namespace) gets the tree mounted in that namespace.
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
    /// [`ErrorKind::Unsupported`] where a seccomp filter forbids the mount interface, or the mount
    /// namespace is shared with others.
    pub fn begin(&self, tree: Tree) -> Result<DetachedSet> {
        self.need_mount_interface(true)?;
        let hidden = self.hide(tree.root()).map_err(|e| e.with_argument("/"))?;
        Ok(DetachedSet { hidden, ..DetachedSet::from_tree(tree, self)? })
    }

    /// Attaches the plan's mounts in a set that was built before. A mount for `/` is stacked on the
    /// set's root. Relative sources and layers start at `dir`. [`DetachedSet::left_out`] then has
    /// the numbers of this plan.
    ///
    /// # Errors
    /// Those of [`build`](Self::build). The set is dissolved.
    pub fn build_onto(&self, dir: impl AsFd, set: DetachedSet, plan: &Plan) -> Result<DetachedSet> {
        self.need_mount_interface(plan.resolves_targets())?;
        let is_own_namespace = set.hidden.is_some();
        self.build_on(dir.as_fd(), Some(set), plan, SourceFinder::new(None), is_own_namespace)
    }

    /// Adds the plan's mounts to `base`. `is_own_namespace` selects the process's own namespace.
    fn build_on(
        &self,
        dir: BorrowedFd<'_>,
        base: Option<DetachedSet>,
        plan: &Plan,
        sources: SourceFinder,
        is_own_namespace: bool,
    ) -> Result<DetachedSet> {
        let (strategy, place) = match is_own_namespace {
            true => (Strategy::PrivateNamespace, AssemblyPlace::OwnNamespace),
            false => match self.assembly(plan, base.is_none() && plan.is_lone()) {
                Some(Strategy::PrivateNamespace) => {
                    (Strategy::PrivateNamespace, AssemblyPlace::PrivateNamespace)
                }
                Some(strategy) => (strategy, AssemblyPlace::Detached),
                None => return Err(cannot_assemble()),
            },
        };
        strategy.record();
        let step_mounter = StepMounter { mounter: self, dir };
        let NewMounts { mounts, left_out, newest, count } = create_mounts(&step_mounter, plan, sources)?;
        let before = base.as_ref().map_or(Some(0), |base| base.mounts);
        let mut builder = Builder {
            step_mounter,
            built: base,
            left_out,
            newest,
            mounts: before.zip(count).map(|(before, new)| before + new),
            readonly_root: plan.restrictions.readonly_root,
            read_only_last: Vec::new(),
            mask: None,
        };
        match place {
            // The builder outlives the namespace, so that it can remove directories when nothing is
            // mounted there any more.
            AssemblyPlace::PrivateNamespace => in_copied_namespace(|| builder.assemble(plan, mounts, place))?,
            AssemblyPlace::Detached | AssemblyPlace::OwnNamespace => builder.assemble(plan, mounts, place)?,
        }
        builder.finish(plan)
    }
}

/// Where a set is assembled.
#[derive(Debug, Clone, Copy)]
enum AssemblyPlace {
    /// In a detached tree: the kernel mounts into it.
    Detached,
    /// In a private mount namespace. The set is copied out at the end.
    PrivateNamespace,
    /// In the process's own namespace, which it leaves with the old root.
    OwnNamespace,
}

fn needs_target() -> Error {
    let reason = "no mount has the target `/`, and there is no target directory to copy";
    Error::new(ErrorKind::Spec, Operation::ReadMountList, reason)
        .with_hint("add a first mount with the target `/`, or give a target directory")
}

struct Builder<'a> {
    step_mounter: StepMounter<'a>,
    built: Option<DetachedSet>,
    left_out: Vec<usize>,
    /// The unique id of the newest mount so far. `None` if unknown: of a copied tree, only the
    /// root's id can be read.
    newest: Option<UniqueMountId>,
    /// The number of mounts so far, if known.
    mounts: Option<usize>,
    readonly_root: bool,
    /// Mounts that become read-only after all mounts are attached.
    read_only_last: Vec<(PathBuf, OwnedFd)>,
    /// The empty file system that masks directories. It is created once and cloned for each of
    /// them: creating and unmounting one costs more than all other restrictions together.
    mask: Option<Attached>,
}

/// Creates a throw-away mount and returns its unique id \[Linux 6.8\], an upper bound of all ids so
/// far. The mount is a copy of the tree's root. If that cannot be copied (it is unbindable or
/// contains locked mounts), the mount is a new file system.
pub(crate) fn newer_than_all(tree: &Tree) -> Result<Option<UniqueMountId>> {
    let copy = Tree::clone_of(tree.root(), "", false);
    let newest = copy.or_else(|_| FsContext::open("tmpfs")?.create()?.mount(&MountAttr::default()))?;
    Ok(newest.id()?.unique())
}

impl Builder<'_> {
    /// Assembles the mounts, in the order in which a container's root is set up.
    fn assemble(
        &mut self,
        plan: &Plan,
        mut mounts: Vec<(&Step, NewMount)>,
        place: AssemblyPlace,
    ) -> Result<()> {
        self.attach_root(plan, &mut mounts)?;
        self.enter(place)?;
        self.attach_mounts(plan, mounts)?;
        self.create_nodes(plan)?;
        self.make_mounts_read_only(place, plan.len() + 1)?;
        self.restrict_paths(plan)?;
        self.make_root_read_only()?;
        self.leave(place)
    }

    /// Makes the first mount the root, unless there is a root already.
    fn attach_root(&mut self, plan: &Plan, mounts: &mut Vec<(&Step, NewMount)>) -> Result<()> {
        if self.built.is_some() || mounts.is_empty() {
            return Ok(());
        }
        let (step, mount) = mounts.remove(0);
        // No mount is before the first, so its source is not in the set.
        let NewMount::Made(mount) = mount else { return Err(without_root(&step.target)) };
        if !step.is_root() {
            return Err(plan.in_step(step, without_root(&step.target)));
        }
        set_root_owner(mount.root(), step).map_err(|e| plan.in_step(step, e))?;
        self.put_off_read_only(step, &mount)?;
        self.built = Some(DetachedSet::from_tree(mount, self.step_mounter.mounter)?);
        trace::attached(step.number, &step.target);
        Ok(())
    }

    /// Makes the root a mount on which others can be attached.
    fn enter(&mut self, place: AssemblyPlace) -> Result<()> {
        match (place, &mut self.built) {
            (AssemblyPlace::Detached, _) => Ok(()),
            (_, None) => Err(every_mount_left_out()),
            (AssemblyPlace::PrivateNamespace, Some(built)) => HiddenPlace::with(built.tree.root()).map(drop),
            (AssemblyPlace::OwnNamespace, Some(built)) if built.hidden.is_some() => Ok(()),
            (AssemblyPlace::OwnNamespace, Some(built)) => {
                built.hidden =
                    self.step_mounter.mounter.hide(built.tree.root()).map_err(|e| e.with_argument("/"))?;
                Ok(())
            }
        }
    }

    /// Remembers a mount that becomes read-only when all are in place.
    fn put_off_read_only(&mut self, step: &Step, mount: &Tree) -> Result<()> {
        if step.read_only_last {
            self.read_only_last.push((step.target.clone(), duplicate(mount.root())?));
        }
        Ok(())
    }

    fn attach_mounts(&mut self, plan: &Plan, mounts: Vec<(&Step, NewMount)>) -> Result<()> {
        for (step, mount) in mounts {
            self.attach_mount(step, mount).map_err(|e| plan.in_step(step, e))?;
        }
        Ok(())
    }

    fn attach_mount(&mut self, step: &Step, mount: NewMount) -> Result<()> {
        let mount = match mount {
            NewMount::Made(tree) => tree,
            NewMount::OfSet(inside) => match self.bind_from_set(step, &inside)? {
                Some(tree) => tree,
                None => return Ok(()),
            },
        };
        set_root_owner(mount.root(), step)?;
        self.put_off_read_only(step, &mount)?;
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

    /// Creates a bind mount of the set itself. Returns `None` if its source is missing and the step
    /// has the option `nofail`.
    fn bind_from_set(&mut self, step: &Step, inside: &Path) -> Result<Option<Tree>> {
        let Some(built) = &self.built else { return Err(without_root(&step.target)) };
        match bind_from_set(&self.step_mounter, built.root(), step, inside) {
            Err(error) if step.options.nofail && is_missing_source(&error, step) => {
                self.left_out.push(step.number);
                Ok(None)
            }
            Err(error) => Err(error),
            Ok(tree) => {
                self.record_newest(step, &tree)?;
                Ok(Some(tree))
            }
        }
    }

    /// Creates the nodes, unless every mount was left out.
    fn create_nodes(&mut self, plan: &Plan) -> Result<()> {
        if self.built.is_some() { nodes::create_nodes(self, &plan.nodes, plan.len() + 1) } else { Ok(()) }
    }

    /// Makes the mounts read-only. In a detached tree only the attributes of the root can be
    /// changed, so a read-only bind covers each of the others.
    fn make_mounts_read_only(&mut self, place: AssemblyPlace, number: usize) -> Result<()> {
        let mounts = std::mem::take(&mut self.read_only_last);
        if !matches!(place, AssemblyPlace::Detached) {
            return restrict::make_mounts_read_only(&mounts);
        }
        for (path, mount) in &mounts {
            let place = Target::in_root(MountedRoot::root(self, path)?, path)?;
            match is_same_place(mount.as_fd(), MountedRoot::root(self, path)?)? {
                true => self.readonly_root = true,
                false => self.attach(&LateMount::remount_read_only(place, path, number)?)?,
            }
        }
        Ok(())
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

    /// Replaces the set by a detached copy of the tree in the private mount namespace, which no
    /// other process can reach.
    fn leave(&mut self, place: AssemblyPlace) -> Result<()> {
        let (AssemblyPlace::PrivateNamespace, Some(built)) = (place, &mut self.built) else { return Ok(()) };
        if MountId::of(built.root())? != built.tree.id()? {
            return Err(cannot_assemble());
        }
        built.tree = Tree::clone_of(built.tree.root(), "", true)?;
        built.top = duplicate(built.tree.root())?;
        built.stacks.copied_to(built.top.as_fd());
        self.newest = None;
        Ok(())
    }

    fn finish(self, plan: &Plan) -> Result<DetachedSet> {
        let Some(built) = self.built else { return Err(every_mount_left_out()) };
        plan.set_root_propagation(built.tree.root())?;
        let newest = match self.newest {
            None if built.tree.id()?.unique().is_some() => newer_than_all(&built.tree)?,
            known => known,
        };
        Ok(DetachedSet { left_out: self.left_out, newest, mounts: self.mounts, ..built })
    }

    fn record_newest(&mut self, step: &Step, tree: &Tree) -> Result<()> {
        self.newest = newest_of(step, tree)?;
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
        self.record_newest(&late.step, &mount)?;
        self.mounts = self.mounts.map(|mounts| mounts + 1);
        let beneath = late.place.mount();
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
