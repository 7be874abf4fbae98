// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `DetachedSet`: a built set, and the calls that publish all of it or nothing.

use crate::diagnose::{diagnose, pivot};
use crate::error::{Error, ErrorKind, Failed, Operation, Result, Syscall, or_give_back};
use crate::mountinfo::id::{MountId, UniqueMountId};
use crate::set::build::mounter::Mounter;
use crate::set::build::stack::Stacks;
use crate::table::count::mounts_in_copy;
use crate::trace;
use crate::vfs::attr::{Attr, MountAttr};
use crate::vfs::created_dirs::CreatedDirs;
use crate::vfs::features::Features;
use crate::vfs::hidden_place::Hidden;
use crate::vfs::identity::is_dir;
use crate::vfs::mount_namespace::MountNamespace;
use crate::vfs::new_namespace::namespace_of;
use crate::vfs::own_namespace::change_root;
use crate::vfs::private_namespace::PrivateNamespace;
use crate::vfs::target::Target;
use crate::vfs::tree::{Attached, Tree};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// A set of mounts that is built but not yet published.
#[derive(Debug)]
pub struct DetachedSet {
    /// The whole set, detached. Declared before `made`, so that it is dropped first: rmdir(2)
    /// cannot remove a directory below a mount.
    pub(crate) tree: Tree,
    /// Where the set is mounted, if that is in the namespace of the calling process.
    pub(crate) hidden: Option<Hidden>,
    /// The numbers of the mounts that were left out: their source is missing and they have the
    /// option `nofail`.
    pub left_out: Vec<usize>,
    /// The visible root: the topmost of the mounts stacked on the tree's own root.
    pub(crate) top: OwnedFd,
    /// The mount points that were created in the set. They are removed unless it is published.
    pub(crate) made: CreatedDirs,
    /// An upper bound of the set's unique mount ids. `None` if unknown: the ids of a copied tree
    /// cannot be read before it is attached.
    pub(crate) newest: Option<UniqueMountId>,
    /// The number of stacked mounts at each place.
    pub(crate) stacks: Stacks,
    /// The number of mounts, on kernels without unique ids \[before Linux 6.8\].
    pub(crate) mounts: Option<usize>,
    /// What [`into_namespace`](Self::into_namespace) needs.
    pub(crate) features: Features,
    pub(crate) private: Arc<PrivateNamespace>,
}

impl DetachedSet {
    /// Returns a private copy of the tree at the target, the root of a plan that has none.
    pub(crate) fn copy_of(target: &Target, mounter: &Mounter) -> Result<Self> {
        let copy = Self::from_tree(Tree::private_copy(target).map_err(diagnose)?, mounter)?;
        let is_known = copy.tree.id()?.unique().is_some();
        let mounts = if is_known { None } else { mounts_in_copy(target.as_fd()) };
        Ok(Self { mounts, ..copy })
    }

    /// Returns the root that a process in the set would see.
    #[must_use]
    pub fn root(&self) -> BorrowedFd<'_> {
        self.top.as_fd()
    }

    /// Reports whether the visible root is a directory.
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
    pub fn attach(self, target: &Target) -> Result<Attached, Failed<Self>> {
        let (attached, newest) = self.publish(|tree| tree.attach(target))?;
        Ok(published(attached, target, newest))
    }

    /// Publishes the set on `target` in another mount namespace: see [`MountNamespace::attach`].
    ///
    /// # Errors
    /// Those of [`MountNamespace::attach`].
    pub fn attach_in(self, namespace: &MountNamespace, target: &Target) -> Result<Attached, Failed<Self>> {
        let (attached, newest) = self.publish(|tree| namespace.attach(tree, target))?;
        Ok(published(attached, target, newest))
    }

    /// Makes the set the root of the calling process and of its mount namespace, and unmounts the
    /// old root. The process must be in a mount namespace of its own: see
    /// [`unshare_mount_and_pid`](crate::vfs::own_namespace::unshare_mount_and_pid).
    ///
    /// The old mounts may be shared with other namespaces. They become slaves first, so that
    /// nothing is unmounted there. A shared root of the set keeps its peers \[Linux 5.15\]. On
    /// older kernels, and in a user namespace if mounts below it are locked, the root starts a new
    /// peer group.
    ///
    /// # Errors
    /// [`ErrorKind::Permission`]; the errno of pivot_root(2). The old root is then as before,
    /// except that the mount on `/` is a slave if it was shared.
    pub fn enter(self) -> Result<()> {
        let tree = Some(self.tree).filter(|_| self.hidden.is_none());
        let top = self.top.as_fd();
        let old = change_root(tree, top).map_err(pivot)?;
        if let Some(hidden) = &self.hidden {
            hidden.leave();
        }
        old.detach()?;
        self.made.keep();
        Ok(())
    }

    /// Makes a mount namespace that has the set as its root, and nothing of the host's mounts. The
    /// set never appears in the caller's mount table.
    ///
    /// `open_tree(OPEN_TREE_NAMESPACE)` \[Linux 7.0\], else unshare(2) and pivot_root(2) on a
    /// thread.
    ///
    /// ```no_run
    /// use fmountat::{Mounter, Plan, Spec};
    /// let spec = Spec::from_json(&std::fs::read("config.json")?)?;
    /// let set = Mounter::detached().build(fmountat::CWD, &Plan::new(&spec)?, None)?;
    /// let namespace = set.into_namespace()?;
    /// let status = namespace.command("/bin/sh")?.arg("-c").arg("ls /").status()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::WrongTargetType`] for a set whose root is a file; [`ErrorKind::Permission`];
    /// the errno of the calls. [`Failed`] gives the set back, unless pivot_root(2) failed.
    pub fn into_namespace(self) -> Result<MountNamespace, Failed<Self>> {
        let (set, is_dir) = {
            let is_dir = self.is_dir();
            or_give_back(self, is_dir)?
        };
        if !is_dir {
            let reason = "the root of the set is a file, and that of a mount namespace is a directory";
            let error = Error::new(ErrorKind::WrongTargetType, Operation::MakeNamespaceOfSet, reason);
            return Err(Failed::giving_back(set, error));
        }
        if let Some(hidden) = &set.hidden {
            hidden.leave();
        }
        let (private, features, top) = (Arc::clone(&set.private), set.features, duplicate(set.root()));
        let (set, top) = or_give_back(set, top)?;
        let (file, _) = set.publish(|tree| namespace_of(&private, &features, tree, top.as_fd()))?;
        MountNamespace::of_file(file).map_err(Failed::lost)
    }

    /// Publishes the set in place of what is mounted on `target`. A reader sees the old set or the
    /// new one at any moment: see [`Tree::replace`].
    ///
    /// # Errors
    /// Those of [`Tree::replace`].
    pub fn replace(self, target: &Target) -> Result<Attached, Failed<Self>> {
        let (attached, newest) = self.with_one_root()?.publish(|tree| tree.replace(target))?;
        Ok(published(attached, target, newest))
    }

    /// Replaces as [`replace`](Self::replace) does, but with a moment in which neither set is
    /// visible, for kernels before 6.5: see [`Tree::replace_with_gap`].
    ///
    /// # Errors
    /// Those of [`Tree::replace_with_gap`].
    pub fn replace_with_gap(self, target: &Target) -> Result<Attached, Failed<Self>> {
        let (attached, newest) = self.with_one_root()?.publish(|tree| tree.replace_with_gap(target))?;
        Ok(published(attached, target, newest))
    }

    /// Replaces as [`replace`](Self::replace) does, and returns the old tree, so that the caller
    /// can restore it: see [`Tree::exchange`].
    ///
    /// ```no_run
    /// # use fmountat::{Mounter, Plan, Target};
    /// # fn check() -> Result<(), fmountat::Error> { Ok(()) }
    /// # let plan: Plan = unimplemented!();
    /// let target = Target::open(fmountat::CWD, "/srv/rootfs")?;
    /// let built = Mounter::detached().build(fmountat::CWD, &plan, &target)?;
    /// let (_, old) = built.exchange(&target)?;
    /// if check().is_err() {
    ///     old.replace(&Target::open(fmountat::CWD, "/srv/rootfs")?)?;
    /// }
    /// # Ok::<(), fmountat::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tree::exchange`].
    pub fn exchange(self, target: &Target) -> Result<(Attached, Tree), Failed<Self>> {
        let ((attached, old), newest) = self.with_one_root()?.publish(|tree| tree.exchange(target))?;
        Ok((published(attached, target, newest), old))
    }

    /// Hands the tree to `publish`. On failure the error gives the set back.
    fn publish<T>(
        self,
        publish: impl FnOnce(Tree) -> Result<T, Failed<Tree>>,
    ) -> Result<(T, Option<UniqueMountId>), Failed<Self>> {
        match publish(self.tree) {
            Ok(published) => {
                self.made.keep();
                Ok((published, self.newest))
            }
            Err(failed) => Err(failed.map_error(diagnose).map(|tree| Self { tree, ..self })),
        }
    }
}

impl AsFd for DetachedSet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.root()
    }
}

fn published(attached: Attached, target: &Target, newest: Option<UniqueMountId>) -> Attached {
    trace::published(target.path(), attached.id().get());
    attached.known_to(newest)
}

/// Converts a finished set to its tree, to be sent to another process or attached by other means. A
/// set that was built in the process's own namespace
/// ([`Mounter::in_own_namespace`](crate::set::build::mounter::Mounter::in_own_namespace)) is
/// mounted there and remains mounted until it is attached to another place.
impl From<DetachedSet> for Tree {
    fn from(built: DetachedSet) -> Self {
        built.made.keep();
        if let Some(hidden) = &built.hidden {
            hidden.leave();
        }
        built.tree
    }
}

impl DetachedSet {
    /// Makes the root of the set read-only. Only the lowest mount of a detached tree can change its
    /// attributes.
    pub(crate) fn make_read_only(&self) -> Result<()> {
        let read_only = MountAttr { set: Attr::RDONLY, ..MountAttr::default() };
        if MountId::of(self.root())? != self.tree.id()? {
            let reason = "two mounts have the target `/`: add `ro` to the second one instead";
            return Err(Error::new(ErrorKind::Unsupported, Operation::MakeRootReadOnly, reason));
        }
        self.tree.set_attr(&read_only, false).map_err(|e| e.with_operation(Operation::MakeRootReadOnly))
    }

    /// Fails if two mounts are stacked on the root: the kernel puts no such tree beneath another
    /// mount.
    fn with_one_root(self) -> Result<Self, Failed<Self>> {
        let is_one = MountId::of(self.root()).and_then(|top| Ok(top == self.tree.id()?));
        match or_give_back(self, is_one)? {
            (set, true) => Ok(set),
            (set, false) => Err(Failed::giving_back(set, two_roots())),
        }
    }

    pub(crate) fn from_tree(tree: Tree, mounter: &Mounter) -> Result<Self> {
        let top = duplicate(tree.root())?;
        Ok(Self {
            tree,
            hidden: None,
            left_out: Vec::new(),
            top,
            made: CreatedDirs::default(),
            newest: None,
            mounts: None,
            stacks: Stacks::default(),
            features: mounter.features,
            private: Arc::clone(&mounter.private),
        })
    }
}

/// Returns the error for swapping in a set with two mounts for `/`. Such a set can only be
/// attached.
pub(crate) fn two_roots() -> Error {
    let reason = "two mounts of the new set have the target `/`, and the kernel can't attach such a set \
                  beneath another mount";
    Error::new(ErrorKind::Unsupported, Operation::Replace, reason)
        .with_hint("remove the first one, which the second hides")
}

pub(crate) fn duplicate(fd: BorrowedFd<'_>) -> Result<OwnedFd> {
    rustix::io::fcntl_dupfd_cloexec(fd, 0).map_err(|e| Error::sys(Operation::Build, Syscall::Fcntl, e))
}
