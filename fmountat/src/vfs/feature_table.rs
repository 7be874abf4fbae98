// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The kernel features as a table: first release, use and fallback. The source of
//! `docs/kernel-features.md`.

use crate::vfs::features::Features;

/// A kernel feature that an operation depends on: one field of [`Features`].
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct KernelFeature {
    /// The name of the field.
    pub name: &'static str,
    /// The first release that has it.
    pub kernel: (u32, u32),
    /// Its system calls, or its name in the manual pages.
    pub what: &'static str,
    /// What fmountat uses it for.
    pub used_for: &'static str,
    /// The fallback without it, in a few words.
    pub instead: &'static str,
    /// The fallback in full, with the guarantees that it lacks.
    pub otherwise: &'static str,
    /// The test that uses the fallback, by a changed [`Features`] or under a filter.
    pub shown_by: &'static str,
    field: fn(&mut Features) -> &mut bool,
}

impl KernelFeature {
    /// Returns the first release that has it as text: `6.15`.
    #[must_use]
    pub fn since(&self) -> String {
        format!("{}.{}", self.kernel.0, self.kernel.1)
    }

    /// Reports whether `features` has it.
    #[must_use]
    pub fn is_in(&self, features: &Features) -> bool {
        let mut features = *features;
        *(self.field)(&mut features)
    }
}

/// Returns all kernel features, oldest first.
///
/// ```
/// use fmountat::kernel::{Features, kernel_features};
/// for feature in kernel_features().iter().filter(|feature| !feature.is_in(&Features::get())) {
///     let (major, minor) = feature.kernel;
///     println!("{} needs Linux {major}.{minor}: {}", feature.what, feature.otherwise);
/// }
/// ```
#[must_use]
pub fn kernel_features() -> &'static [KernelFeature] {
    TABLE
}

impl Features {
    /// Sets all features that depend on the kernel's release, for pages and plans about other
    /// kernels.
    #[must_use]
    pub fn with_all(mut self) -> Self {
        for feature in TABLE {
            *(feature.field)(&mut self) = true;
        }
        self
    }
    /// Clears the features that are newer than Linux `major.minor`.
    #[cfg(feature = "testing")]
    #[doc(hidden)]
    #[must_use]
    pub fn at_most(self, major: u32, minor: u32) -> Self {
        self.up_to(major, minor)
    }

    /// Removes the features that came after this release.
    pub(crate) fn up_to(mut self, major: u32, minor: u32) -> Self {
        for feature in TABLE.iter().filter(|feature| feature.kernel > (major, minor)) {
            *(feature.field)(&mut self) = false;
        }
        self
    }
}

const TABLE: &[KernelFeature] = &[
    KernelFeature {
        name: "new_mount_api",
        kernel: (5, 2),
        what: "fsopen, fsmount, open_tree, move_mount",
        used_for: "mounts that are invisible until they are published; the kernel's messages in errors",
        instead: "sets are refused",
        otherwise: "forbidden by a seccomp filter: a set is refused; `fmountat()` and a single overlay need mount(2) only",
        shown_by: "filtered: `a_set_is_refused_in_words`",
        field: |f| &mut f.new_mount_api,
    },
    KernelFeature {
        name: "openat2",
        kernel: (5, 6),
        what: "openat2",
        used_for: "targets that can't leave the root",
        instead: "sets with targets are refused",
        otherwise: "forbidden by a seccomp filter: a set with a target below `/` is refused",
        shown_by: "filtered: `a_set_is_refused_in_words`",
        field: |f| &mut f.openat2,
    },
    KernelFeature {
        name: "mount_setattr",
        kernel: (5, 12),
        what: "mount_setattr",
        used_for: "attributes and propagation of detached mounts; id mappings",
        instead: "sets are refused",
        otherwise: "forbidden by a seccomp filter: a set is refused",
        shown_by: "filtered: `a_set_is_refused_in_words`",
        field: |f| &mut f.mount_setattr,
    },
    KernelFeature {
        name: "overlay_mapped_layers",
        kernel: (5, 19),
        what: "id-mapped overlay layers",
        used_for: "an overlay whose lower layers' owners are mapped",
        instead: "refused",
        otherwise: "refused",
        shown_by: "old_kernels: `what_is_refused_is_said`",
        field: |f| &mut f.overlay_mapped_layers,
    },
    KernelFeature {
        name: "move_beneath",
        kernel: (6, 5),
        what: "MOVE_MOUNT_BENEATH",
        used_for: "`--replace`: readers always see the old set or the new one",
        instead: "a moment without either set; refused by --strict",
        otherwise: "the old set is detached and the new one attached at once: for microseconds readers see neither (`--strict` \
                    refuses); if attaching fails, a copy of the old one is attached again",
        shown_by: "old_kernels: `a_swap_with_a_gap`",
        field: |f| &mut f.move_beneath,
    },
    KernelFeature {
        name: "overlay_leaves_uuid",
        kernel: (6, 6),
        what: "overlay's uuid on its upper",
        used_for: "asking the kernel whether an upper directory is in use, only for uppers that an overlay has used before",
        instead: "a mount to check each upper",
        otherwise: "fmountat checks each upper directory with an additional mount",
        shown_by: "table_a5 by each strategy",
        field: |f| &mut f.overlay_leaves_uuid,
    },
    KernelFeature {
        name: "tmpfs_user_attributes",
        kernel: (6, 6),
        what: "user attributes on a tmpfs",
        used_for: "an ordinary user's `run`: in a user namespace they mark directories that are removed",
        instead: "a user's `run` removes no directory of a layer",
        otherwise: "a directory of a layer can't be removed (EIO), which `run` reports before it starts",
        shown_by: "run: `removing_a_directory_of_a_layer_works_or_is_reported`",
        field: |f| &mut f.tmpfs_user_attributes,
    },
    KernelFeature {
        name: "overlay_append_layers",
        kernel: (6, 7),
        what: "overlay's lowerdir+ and datadir+",
        used_for: "500 layers with any bytes in their paths; the kernel's message about each refused layer",
        instead: "mount(2) in a private mount namespace",
        otherwise: "mount(2) in a private mount namespace, with the numbers of descriptors as layers, and copied out of it: \
                    500 layers too; before 6.5 a bad option is refused without the kernel's words. Where unshare(2) is forbidden: refused",
        shown_by: "old_kernels: `five_hundred_layers_without_lowerdir_plus`",
        field: |f| &mut f.overlay_append_layers,
    },
    KernelFeature {
        name: "overlay_layer_fds",
        kernel: (6, 13),
        what: "overlay layers as descriptors",
        used_for: "one path lookup per layer",
        instead: "their names in /proc",
        otherwise: "the descriptors' names in /proc",
        shown_by: "overlays: `any_bytes_a_path_may_hold`",
        field: |f| &mut f.overlay_layer_fds,
    },
    KernelFeature {
        name: "detached_children",
        kernel: (6, 15),
        what: "mounting into detached trees",
        used_for: "sets that are invisible until they are published",
        instead: "a private mount namespace",
        otherwise: "put together in a private mount namespace and copied out of it: published in one step as well, at a cost \
                    that grows with the machine's mounts; with two mounts for `/` or an `unbindable` one step by step \
                    (`--strict` refuses); `run`: mounted in its own namespace before the root is entered",
        shown_by: "private_namespace: all; run: `reach_in_its_own_namespace_as_user`",
        field: |f| &mut f.detached_children,
    },
    KernelFeature {
        name: "overlay_detached_layers",
        kernel: (6, 15),
        what: "overlay layers in a detached tree",
        used_for: "overlays at the same cost however many mounts the machine has; mapped layers",
        instead: "layers on their attached mounts",
        otherwise: "layers on their attached mounts; mapped layers in a private mount namespace",
        shown_by: "old_kernels: `mapped_layers_in_a_private_namespace`; old_kernels: `an_upper_in_use_is_found_out`",
        field: |f| &mut f.overlay_detached_layers,
    },
    KernelFeature {
        name: "open_tree_attr",
        kernel: (6, 15),
        what: "open_tree_attr",
        used_for: "a new id mapping for a mount that already has one",
        instead: "open_tree, then mount_setattr",
        otherwise: "open_tree(2) and mount_setattr(2); a mount that already has an id mapping is refused",
        shown_by: "idmap: `older_strategies`",
        field: |f| &mut f.open_tree_attr,
    },
    KernelFeature {
        name: "namespace_of_tree",
        kernel: (7, 0),
        what: "OPEN_TREE_NAMESPACE",
        used_for: "a mount namespace with the set as its root, without a copy of the host's mounts",
        instead: "unshare(2) and pivot_root(2)",
        otherwise: "unshare(2) on a thread, pivot_root(2), and all else is detached: at first from the caller's namespace, at a \
                    cost that grows with the host's mounts, then from the private one. Where unshare(2) is forbidden: refused",
        shown_by: "namespaces: all",
        field: |f| &mut f.namespace_of_tree,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_has_what_came_before_it() {
        let old = Features::get().up_to(5, 14);
        assert!(!old.overlay_mapped_layers && !old.overlay_append_layers && !old.detached_children);
        assert_eq!(old.mount_setattr, Features::get().mount_setattr);
        assert_eq!(Features::get().up_to(99, 0), Features::get());
        assert!(TABLE.is_sorted_by_key(|feature| feature.kernel));
        let here = Features::get();
        assert!(TABLE.iter().all(|feature| feature.is_in(&here) || !feature.is_in(&here.up_to(0, 0))));
    }
}
