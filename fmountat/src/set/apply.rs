// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a plan to a tree, and from a tree to the namespace: all of it, or nothing.

use super::cover;
use super::mounter::{Assembly, Mounter};
use super::piece::{Pieces, set_root_owner};
use super::plan::{Plan, Step, What};
use crate::error::{Error, ErrorKind, Result};
use crate::kinds::store::Store;
use crate::vfs::attr::{Attr, MountAttr};
use crate::vfs::identity::{MountId, is_mount_root};
use crate::vfs::made::Made;
use crate::vfs::other::MountNamespace;
use crate::vfs::staging::in_private_namespace;
use crate::vfs::target::{Target, is_dir};
use crate::vfs::tree::{Attached, Tree};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::CWD;

/// A set of mounts that was built and not yet published.
#[derive(Debug)]
pub struct Built {
    /// The whole set, detached. It is dropped before `made`, which can't be taken away below a mount.
    pub(super) tree: Tree,
    /// The numbers of mounts that were left out, because their source is missing and they say `nofail`.
    pub left_out: Vec<usize>,
    /// The root as it is seen: the top of the mounts that were stacked on the tree's own root.
    top: OwnedFd,
    /// The mount points that were made in it; they go unless it is published.
    made: Made,
}

impl Built {
    /// The root of the set as a process in it would see it.
    #[must_use]
    pub fn root(&self) -> BorrowedFd<'_> {
        self.top.as_fd()
    }

    /// Whether the root as it is seen is a directory, and no file.
    ///
    /// # Errors
    /// The errno of fstat(2).
    pub fn is_dir(&self) -> Result<bool> {
        is_dir(self.root())
    }

    /// Publishes the set on `target`: see [`Tree::attach`].
    ///
    /// # Errors
    /// Those of [`Tree::attach`].
    pub fn attach(self, target: &Target) -> Result<Attached> {
        drop(self.top);
        let attached = self.tree.attach(target)?;
        self.made.keep();
        Ok(attached)
    }

    /// Publishes the set in another mount namespace: see [`MountNamespace::attach`].
    ///
    /// # Errors
    /// Those of [`MountNamespace::attach`].
    pub fn attach_in(self, namespace: &MountNamespace, target: &Target) -> Result<Attached> {
        drop(self.top);
        let attached = namespace.attach(self.tree, target)?;
        self.made.keep();
        Ok(attached)
    }

    /// Makes the set the root of the calling process and of its mount namespace; what was there is taken away.
    /// For a process in a namespace of its own: see [`unshare_mount_and_pid`](crate::unshare_mount_and_pid).
    ///
    /// # Errors
    /// [`ErrorKind::Permission`]; the errno of pivot_root(2).
    pub fn enter(self) -> Result<()> {
        drop(self.top);
        crate::vfs::namespace::enter(self.tree)?;
        self.made.keep();
        Ok(())
    }

    /// Publishes the set in place of what is mounted on `target`, so that readers always see one of the two: see
    /// [`Tree::replace`].
    ///
    /// # Errors
    /// Those of [`Tree::replace`].
    pub fn replace(self, target: &Target) -> Result<Attached> {
        drop(self.top);
        let attached = self.tree.replace(target)?;
        self.made.keep();
        Ok(attached)
    }

    /// As [`replace`](Self::replace), and keeps what was there, to go back to it: see [`Tree::exchange`].
    ///
    /// ```no_run
    /// # use fmountat::{Mounter, Plan, Target};
    /// # fn check() -> Result<(), fmountat::Error> { Ok(()) }
    /// # let plan: Plan = unimplemented!();
    /// let target = Target::open(rustix::fs::CWD, "/srv/rootfs")?;
    /// let built = Mounter::detached().build(rustix::fs::CWD, &plan, &target)?;
    /// let (_, old) = built.exchange(&target)?;
    /// if check().is_err() {
    ///     old.replace(&Target::open(rustix::fs::CWD, "/srv/rootfs")?)?;
    /// }
    /// # Ok::<(), fmountat::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tree::exchange`].
    pub fn exchange(self, target: &Target) -> Result<(Attached, Tree)> {
        drop(self.top);
        let exchanged = self.tree.exchange(target)?;
        self.made.keep();
        Ok(exchanged)
    }
}

impl Mounter {
    /// Builds the plan's mounts as one detached tree; relative sources and layers start at `dir`. A plan without a root
    /// of its own gets a private copy of what is at `target`, and its mounts go into that.
    ///
    /// # Errors
    /// The failing mount's own, with the step `mount N: ...` when there are several; nothing was published, and nothing
    /// is left. [`ErrorKind::AllLeftOut`]. [`ErrorKind::Unsupported`] where the kernel has no new mount API \[Linux 5.2\],
    /// or several mounts can be put together neither in a detached tree \[Linux 6.15\] nor in a private mount namespace.
    pub fn build(&self, dir: impl AsFd, plan: &Plan, target: &Target) -> Result<Built> {
        self.need_new_api()?;
        let base = if plan.has_root() { None } else { Some(Built::from_tree(Tree::private_copy(target)?)?) };
        self.build_on(dir.as_fd(), base, plan, None)
    }

    /// Adds the plan's mounts to what was built already. A read-only overlay at the root gets its upper from `store`.
    pub(super) fn build_on(
        &self,
        dir: BorrowedFd<'_>,
        base: Option<Built>,
        plan: &Plan,
        store: Option<&Store>,
    ) -> Result<Built> {
        let Some(assembly) = self.assembly(plan, base.is_none() && plan.is_lone()) else {
            return Err(cannot_assemble());
        };
        let pieces = Pieces { mounter: self, dir, store };
        let mut builder = Builder { pieces, built: base, left_out: Vec::new() };
        // All pieces before any is put in its place: that may make a directory, which would stay after a failure.
        let mut made = Vec::with_capacity(plan.len());
        for step in &plan.steps {
            made.extend(builder.make(step).map_err(|e| plan.in_step(step, e))?.map(|piece| (step, piece)));
        }
        match assembly {
            Assembly::Detached => builder.assemble(plan, made)?,
            // The builder outlives the namespace: directories that it made can be taken away when nothing is mounted there.
            Assembly::PrivateNamespace => in_private_namespace(|| builder.assemble_and_copy(plan, made))?,
        }
        let left_out = builder.left_out;
        builder.built.map(|built| Built { left_out, ..built }).ok_or_else(every_mount_left_out)
    }
}

/// The tree of a finished set, to be sent to another process or attached by other means.
impl From<Built> for Tree {
    fn from(built: Built) -> Self {
        built.made.keep();
        built.tree
    }
}

impl Built {
    /// Mounts the tree so far over this thread's `/`.
    fn attach_here(&mut self) -> Result<()> {
        let slash = Target::open(CWD, "/")?;
        let tree = Tree::from_fd(duplicate(self.tree.root())?);
        tree.attach(&slash)?;
        Ok(())
    }

    /// Of a detached tree the attributes of the lowest mount alone can be changed.
    fn make_read_only(&self) -> Result<()> {
        let read_only = MountAttr { set: Attr::RDONLY, ..MountAttr::default() };
        if MountId::of(self.root())? != self.tree.id()? {
            let reason = "two mounts are stacked on the root: say `ro` in the upper one";
            return Err(Error::new(ErrorKind::Unsupported, "make the root read-only", reason));
        }
        self.tree.set_attr(&read_only, false).map_err(|e| e.with_step("make the root read-only"))
    }

    pub(super) fn from_tree(tree: Tree) -> Result<Self> {
        let top = duplicate(tree.root())?;
        Ok(Self { tree, left_out: Vec::new(), top, made: Made::default() })
    }
}

fn duplicate(fd: BorrowedFd<'_>) -> Result<OwnedFd> {
    rustix::io::fcntl_dupfd_cloexec(fd, 0).map_err(|e| Error::sys("build", "fcntl", e))
}

struct Builder<'a> {
    pieces: Pieces<'a>,
    built: Option<Built>,
    left_out: Vec<usize>,
}

impl Builder<'_> {
    /// The step's mount, unless its source is missing and that is no error.
    fn make(&mut self, step: &Step) -> Result<Option<Tree>> {
        match self.pieces.detached(step) {
            Err(error) if step.options.nofail && is_missing_source(&error, step) => {
                self.left_out.push(step.number);
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    fn place(&mut self, step: &Step, piece: Tree) -> Result<()> {
        set_root_owner(piece.root(), step)?;
        let Some(built) = &mut self.built else {
            if !step.is_root() {
                let reason = "the mount for `/` was left out (nofail), so there is nothing to mount it in";
                return Err(Error::new(ErrorKind::NotFound, "build", reason).arg(&step.target));
            }
            self.built = Some(Built::from_tree(piece)?);
            return Ok(());
        };
        if step.is_root() {
            let top = Target::in_root(&built.top, "")?;
            built.top = piece.attach(&top)?.into_fd();
            return Ok(());
        }
        hang(built, piece, step)
    }
}

impl Builder<'_> {
    fn assemble(&mut self, plan: &Plan, pieces: Vec<(&Step, Tree)>) -> Result<()> {
        for (step, piece) in pieces {
            self.place(step, piece).map_err(|e| plan.in_step(step, e))?;
        }
        self.cover(plan)
    }

    /// The same in a namespace of our own: the root goes over `/`, which this thread does not see, and in the end a copy of
    /// all takes its place.
    fn assemble_and_copy(&mut self, plan: &Plan, pieces: Vec<(&Step, Tree)>) -> Result<()> {
        let mut pieces = pieces.into_iter();
        if self.built.is_none() {
            if let Some((step, piece)) = pieces.next() {
                self.place(step, piece).map_err(|e| plan.in_step(step, e))?;
            }
        }
        let Some(built) = &mut self.built else { return Err(every_mount_left_out()) };
        built.attach_here()?;
        self.assemble(plan, pieces.collect())?;
        let Some(built) = &mut self.built else { return Err(every_mount_left_out()) };
        built.tree = Tree::clone_of(built.tree.root(), "", true)?;
        built.top = duplicate(built.tree.root())?;
        Ok(())
    }

    fn cover(&mut self, plan: &Plan) -> Result<()> {
        let Some(built) = &self.built else { return Ok(()) };
        for (cover, path) in &plan.covers.paths {
            let named = |e| cover.error(path, e);
            let Some(found) = cover::find(built.root(), *cover, path, plan.len() + 1, false)? else {
                continue;
            };
            let piece = found.pieces(&self.pieces).detached(&found.step).map_err(named)?;
            piece.attach(&found.place).map_err(named)?;
        }
        if plan.covers.readonly_root {
            built.make_read_only()?;
        }
        Ok(())
    }
}

/// The step's place below the root, made if it is to be: a file for a file.
pub(super) fn mount_point(
    root: BorrowedFd<'_>,
    step: &Step,
    is_dir: impl FnOnce() -> Result<bool>,
) -> Result<Target> {
    let path = step.target.as_path();
    match step.options.mkdir {
        None => Target::in_root(root, path).map_err(|e| match e.kind() {
            ErrorKind::NotFound => e.hinted("the mount point must exist; the option X-mount.mkdir makes it"),
            _ => e,
        }),
        Some(mkdir) => Target::create_in_root(root, path, mkdir.create(is_dir()?)),
    }
}

/// Mounts the piece at its place inside the tree.
fn hang(built: &mut Built, piece: Tree, step: &Step) -> Result<()> {
    let (root, path) = (built.top.as_fd(), step.target.as_path());
    let target = mount_point(root, step, || is_dir(piece.root()))?;
    built.made.take_over(target.made());
    // A link or `..` may lead to the root of the set itself.
    let is_root = is_mount_root(target.as_fd())? && MountId::of(target.as_fd())? == MountId::of(root)?;
    let attached = piece.attach(&target).map_err(|e| e.arg(path))?;
    if is_root {
        built.top = attached.into_fd();
    }
    Ok(())
}

fn cannot_assemble() -> Error {
    let reason = "this kernel can't mount into a detached tree, and the set can't be copied out of a private mount \
                  namespace, so it could be seen half built";
    Error::new(ErrorKind::Unsupported, "build detached", reason).hinted(
        "Linux 6.15 can; before that unshare(2) must be allowed, one mount at most have the target `/`, and none be unbindable",
    )
}

pub(super) fn every_mount_left_out() -> Error {
    Error::new(ErrorKind::AllLeftOut, "build", "every mount was left out: no source exists (nofail)")
}

pub(super) fn is_missing_source(error: &Error, step: &Step) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::LayerMissing)
        && (matches!(step.what, What::Overlay(_)) || error.argument() == Some(step.source.as_os_str()))
}
