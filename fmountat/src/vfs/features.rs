// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What this kernel and this sandbox let us do, held as a value that tests can set.

use crate::strategy::{Need, Strategies, Strategy};

/// The kernel features that a plan depends on. Since when the kernel has them: [`kernel_features`](crate::kernel::kernel_features).
///
/// ```
/// let mut features = fmountat::kernel::Features::probe();
/// features.overlay_layer_fds = false; // as on a kernel before 6.13
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Features {
    /// fsopen, fsconfig, fsmount, open_tree and move_mount \[Linux 5.2\]: missing only where a seccomp filter forbids one.
    pub new_mount_api: bool,
    /// openat2 \[Linux 5.6\]: missing only where a seccomp filter forbids it.
    pub openat2: bool,
    /// mount_setattr \[Linux 5.12\]: missing only where a seccomp filter forbids it.
    pub mount_setattr: bool,
    /// A tree can be mounted beneath what is mounted (`MOVE_MOUNT_BENEATH`) \[Linux 6.5\].
    pub move_beneath: bool,
    /// Overlay takes id-mapped layers \[Linux 5.19\].
    pub overlay_mapped_layers: bool,
    /// An overlay leaves its uuid on its upper directory \[Linux 6.6\].
    pub overlay_leaves_uuid: bool,
    /// A tmpfs has user attributes, in which an overlay of a user namespace keeps its marks \[Linux 6.6\].
    pub tmpfs_user_attributes: bool,
    /// Overlay takes its layers one by one (`lowerdir+`) \[Linux 6.7\].
    pub overlay_append_layers: bool,
    /// Overlay takes its layers as descriptors \[Linux 6.13\].
    pub overlay_layer_fds: bool,
    /// A detached mount can be mounted into a detached tree \[Linux 6.15\].
    pub detached_children: bool,
    /// An overlay's layers can lie in a detached tree \[Linux 6.15\].
    pub overlay_detached_layers: bool,
    /// open_tree_attr \[Linux 6.15\]; sandboxes often forbid it.
    pub open_tree_attr: bool,
    /// A mount namespace for a moment can be made: unshare(2) is not forbidden, /proc is there, and the root directory is
    /// the root of a mount, so that all can be made private (in a chroot it may be none).
    pub private_namespace: bool,
    /// We are in the machine's first user namespace: privilege here is real.
    pub initial_user_namespace: bool,
}

impl Features {
    /// Returns the best way to publish a set of several mounts with these features; `None` where every set is refused.
    /// [`Mounter::strategy`](crate::Mounter::strategy) gives that of a plan.
    #[must_use]
    pub fn strategy(&self) -> Option<Strategy> {
        self.best()
    }

    /// The best way of those that need no more than this.
    pub(crate) fn best<W: Strategies>(&self) -> Option<W> {
        let can = |needs: &[Need]| needs.iter().all(|need| self.has(*need));
        W::ALL.iter().find(|(_, _, needs)| can(needs)).map(|(strategy, ..)| *strategy)
    }

    fn has(&self, need: Need) -> bool {
        match need {
            Need::NewMountApi => self.new_mount_api,
            Need::MountSetattr => self.mount_setattr,
            Need::MoveBeneath => self.move_beneath,
            Need::MappedLayers => self.overlay_mapped_layers,
            Need::LeavesUuid => self.overlay_leaves_uuid,
            Need::AppendLayers => self.overlay_append_layers,
            Need::LayerFds => self.overlay_layer_fds,
            Need::DetachedChildren => self.detached_children,
            Need::DetachedLayers => self.overlay_detached_layers,
            Need::PrivateNamespace => self.private_namespace,
        }
    }

    /// The calls of the mount interface of Linux 5.2 to 5.12 that a seccomp filter forbids here, if it does.
    pub(crate) fn forbidden_calls(&self, resolves_targets: bool) -> Option<&'static str> {
        match self {
            Self { new_mount_api: false, .. } => {
                Some("fsopen(2), fsconfig(2), fsmount(2), open_tree(2) or move_mount(2)")
            }
            Self { mount_setattr: false, .. } => Some("mount_setattr(2)"),
            Self { openat2: false, .. } if resolves_targets => Some("openat2(2)"),
            _ => None,
        }
    }
}
