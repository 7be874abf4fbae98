// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What this kernel and this sandbox support, as a value that tests can change.

use crate::strategy::{Need, Strategies, Strategy};

/// The kernel features that a plan depends on. [`kernel_features`](crate::kernel::kernel_features)
/// lists the first release of each.
///
/// ```
/// let mut features = fmountat::kernel::Features::probe();
/// features.overlay_layer_fds = false; // as on a kernel before 6.13
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Features {
    /// fsopen, fsconfig, fsmount, open_tree and move_mount \[Linux 5.2\]. False only where a
    /// seccomp filter forbids one of them.
    pub new_mount_api: bool,
    /// openat2 \[Linux 5.6\]. False only where a seccomp filter forbids it.
    pub openat2: bool,
    /// mount_setattr \[Linux 5.12\]. False only where a seccomp filter forbids it.
    pub mount_setattr: bool,
    /// A tree can be attached beneath the topmost mount (`MOVE_MOUNT_BENEATH`) \[Linux 6.5\].
    pub move_beneath: bool,
    /// Overlay accepts id-mapped layers \[Linux 5.19\].
    pub overlay_mapped_layers: bool,
    /// An overlay stores its uuid in an attribute of its upper directory \[Linux 6.6\].
    pub overlay_leaves_uuid: bool,
    /// A tmpfs has user extended attributes, which an overlay in a user namespace needs for its
    /// marks \[Linux 6.6\].
    pub tmpfs_user_attributes: bool,
    /// Overlay accepts its layers one by one (`lowerdir+`) \[Linux 6.7\].
    pub overlay_append_layers: bool,
    /// Overlay accepts its layers as descriptors \[Linux 6.13\].
    pub overlay_layer_fds: bool,
    /// A detached mount can be attached inside a detached tree \[Linux 6.15\].
    pub detached_children: bool,
    /// The layers of an overlay can be in a detached tree \[Linux 6.15\].
    pub overlay_detached_layers: bool,
    /// open_tree_attr \[Linux 6.15\]. Sandboxes often forbid it.
    pub open_tree_attr: bool,
    /// A copy of a tree can become the root of a new mount namespace in one call
    /// (`OPEN_TREE_NAMESPACE`) \[Linux 7.0\].
    pub namespace_of_tree: bool,
    /// A private mount namespace can be made. This needs unshare(2), a verified /proc, and a root
    /// directory that is the root of a mount, so that all mounts can be made private. The root
    /// directory of a chroot may not be one.
    pub private_namespace: bool,
    /// The process is in the initial user namespace: its capabilities hold for the whole host.
    pub initial_user_namespace: bool,
}

impl Features {
    /// Returns the best strategy to publish a set of several mounts with these features, or `None`
    /// where every set is refused. [`Mounter::strategy`](crate::Mounter::strategy) returns that of
    /// a plan.
    #[must_use]
    pub fn strategy(&self) -> Option<Strategy> {
        self.best()
    }

    /// Returns the best of the strategies whose needs these features meet.
    pub(crate) fn best<W: Strategies>(&self) -> Option<W> {
        let can = |needs: &[Need]| needs.iter().all(|need| self.has(*need));
        W::ALL.iter().find(|(_, _, needs)| can(needs)).map(|(strategy, ..)| *strategy)
    }

    /// Reports whether these features meet the needs of the strategy.
    pub(crate) fn can<W: Strategies>(&self, strategy: W) -> bool {
        let needs = W::ALL.iter().find(|(known, ..)| *known == strategy).map(|(_, _, needs)| needs);
        needs.is_some_and(|needs| needs.iter().all(|need| self.has(*need)))
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
            Need::NamespaceOfTree => self.namespace_of_tree,
        }
    }

    /// Returns the calls of the mount interface of Linux 5.2 to 5.12 that a seccomp filter forbids.
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
