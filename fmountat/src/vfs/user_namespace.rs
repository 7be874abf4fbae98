// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A user namespace for the calling process, and the namespaces that it owns.

use crate::error::{Error, Operation, Result, Syscall};
use crate::sys::namespace::unshare_flags;
use crate::vfs::idmap::{IdMapping, namespace_by, namespace_with_maps, park};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

bitflags::bitflags! {
    /// Kinds of namespaces, as in unshare(2).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Namespaces: u32 {
        /// Mounts.
        const MOUNT = UnshareFlags::NEWNS.bits();
        /// Process ids: the next child is the first process of the namespace.
        const PID = UnshareFlags::NEWPID.bits();
        /// System V IPC and POSIX message queues.
        const IPC = UnshareFlags::NEWIPC.bits();
        /// The names that uname(2) reports.
        const UTS = UnshareFlags::NEWUTS.bits();
        /// The root of the cgroup hierarchy.
        const CGROUP = UnshareFlags::NEWCGROUP.bits();
        /// The network.
        const NETWORK = UnshareFlags::NEWNET.bits();
    }
}

impl Namespaces {
    pub(crate) fn flags(self) -> UnshareFlags {
        UnshareFlags::from_bits_retain(self.bits())
    }
}

/// A user namespace that no process needs to be in. Its creator has all capabilities in it.
///
/// A process that mounts as root of one user namespace, and then enters a second one with a new
/// mount namespace, cannot change its mounts any more. The flags of mounts from a more privileged
/// namespace are locked: mount_namespaces(7).
///
/// ```no_run
/// use fmountat::idmap::IdMapping;
/// use fmountat::namespace::{Namespaces, UserNamespace};
/// let own = [IdMapping::new(1000, 0, 1)]; // shows our user, root, as user 1000
/// UserNamespace::with_maps(&own, &own)?.enter(Namespaces::MOUNT)?;
/// # Ok::<(), fmountat::Error>(())
/// ```
#[derive(Debug)]
pub struct UserNamespace(OwnedFd);

impl UserNamespace {
    /// Creates one in which `users` and `groups` are mapped. An empty list maps all ids of the
    /// current user namespace to themselves.
    ///
    /// # Errors
    /// [`TooManyNamespaces`](crate::ErrorKind::TooManyNamespaces) and
    /// [`Permission`](crate::ErrorKind::Permission); the errno of clone(2) or write(2).
    pub fn with_maps(users: &[IdMapping], groups: &[IdMapping]) -> Result<Self> {
        namespace_with_maps(users, groups).map(Self)
    }

    /// Creates one whose maps `map` writes: it receives the number of a process in the namespace,
    /// for programs such as newuidmap(1).
    ///
    /// # Errors
    /// Those of [`with_maps`](Self::with_maps) and of `map`.
    pub fn mapped_by(map: impl FnOnce(u32) -> Result<()>) -> Result<Self> {
        namespace_by(map).map(Self)
    }

    /// Moves the calling process into the user namespace and the new namespaces `owned` by it. In a
    /// new mount namespace the mounts that were shared are slaves.
    ///
    /// The process must be single-threaded: setns(2).
    ///
    /// # Errors
    /// The errno of setns(2) or unshare(2).
    pub fn enter(&self, owned: Namespaces) -> Result<()> {
        let step = Operation::EnterUserNamespace;
        move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::User))
            .map_err(|e| Error::sys(step, Syscall::Setns, e))?;
        unshare_flags(owned.flags()).map_err(|e| Error::sys(step, Syscall::Unshare, e))
    }
}

/// Makes a user namespace with clone(2) and ends it at once, to find out whether that is allowed.
/// Sysctls, limits, seccomp filters and security modules may forbid it. A seccomp filter that kills
/// on clone(2) kills the caller.
///
/// # Errors
/// [`TooManyNamespaces`](crate::ErrorKind::TooManyNamespaces) and
/// [`Permission`](crate::ErrorKind::Permission); the errno of clone(2).
pub fn try_user_namespace() -> Result<()> {
    park().map(drop)
}

impl AsFd for UserNamespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for UserNamespace {
    /// Takes the descriptor of a user namespace, such as an open `/proc/PID/ns/user`.
    fn from(namespace: OwnedFd) -> Self {
        Self(namespace)
    }
}
