// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The strategies of each operation, best first, with their needs.
//! [`Features`](crate::vfs::features::Features) decides between them.

use crate::trace;
use Need::*;
use std::fmt;

/// What a strategy needs of the kernel, and of the seccomp filters in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    NewMountApi,
    MountSetattr,
    MoveBeneath,
    MappedLayers,
    LeavesUuid,
    AppendLayers,
    LayerFds,
    DetachedChildren,
    DetachedLayers,
    PrivateNamespace,
    NamespaceOfTree,
}

/// The strategies of one operation.
pub(crate) trait Strategies: Copy + PartialEq + 'static {
    const OPERATION: &'static str;
    /// All strategies, best first, each with its text and its needs.
    const ALL: &'static [(Self, &'static str, &'static [Need])];

    fn text(self) -> &'static str {
        Self::ALL.iter().find(|(strategy, ..)| *strategy == self).map_or("", |(_, text, _)| text)
    }

    /// Records that this strategy is used.
    fn record(self) -> Self {
        trace::strategy(Self::OPERATION, self.text());
        self
    }
}

macro_rules! strategies {
    ($($(#[$about:meta])* $vis:vis $operation:ident $title:literal { $($(#[$doc:meta])* $strategy:ident $text:literal [$($need:expr),*])+ })+) => {
        $(
            $(#[$about])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            #[non_exhaustive]
            $vis enum $operation { $($(#[$doc])* $strategy),+ }

            impl Strategies for $operation {
                const OPERATION: &'static str = $title;
                const ALL: &'static [(Self, &'static str, &'static [Need])] = &[$((Self::$strategy, $text, &[$($need),*])),+];
            }

            impl fmt::Display for $operation {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(self.text())
                }
            }
        )+
    };
}

strategies! {
    /// How a plan is published.
    pub Strategy "publish a set" {
        /// Built detached and published in one step: others see none of it or all of it.
        Detached "built detached, published in one step" [NewMountApi, MountSetattr, DetachedChildren]
        /// Built in a private mount namespace, copied out of it and published in one step: others
        /// see none of it or all of it. The additional cost grows with the number of mounts on the
        /// host.
        PrivateNamespace "built in a private mount namespace, published in one step" [NewMountApi, MountSetattr, PrivateNamespace]
        /// Mounted one by one, each finished before the next. All are unmounted if one fails.
        /// Others can see an incomplete set, and `kill -9` leaves one.
        StepByStep "step by step, taken back on failure" [NewMountApi, MountSetattr]
    }
    /// How a set replaces another.
    pub SwapStrategy "replace a set" {
        /// Attached beneath the old set, which is then detached: others always see one of the two
        /// \[Linux 6.5\].
        Beneath "beneath the old one, without a moment between" [MoveBeneath]
        /// The old set is detached and the new one attached at once: for a moment others see
        /// neither.
        Gap "after the old one, with a moment between" []
    }
    pub(crate) MakeNamespace "make a mount namespace of a set" {
        OfTree "open_tree(2) as a namespace" [NamespaceOfTree]
        Unshare "unshare(2) and pivot_root(2)" [NewMountApi, PrivateNamespace]
    }
    pub(crate) Subdir "mount a directory of a new file system" {
        Detached "open_tree(2) in the detached mount" [MountSetattr, DetachedChildren]
        Attached "attached in a private mount namespace for it" [PrivateNamespace]
    }
    pub(crate) GiveLayers "give a detached overlay its layers" {
        Descriptors "as descriptors" [AppendLayers, LayerFds]
        Names "as the names of descriptors" [AppendLayers]
        ByMount "to mount(2) in a copied mount namespace" [PrivateNamespace]
    }
    pub(crate) MapLayers "map the owners of an overlay's layers" {
        Views "in mapped binds in the private mount namespace" [AppendLayers, MappedLayers, PrivateNamespace]
        Clones "in mapped clones" [AppendLayers, DetachedLayers]
        Attached "in mapped clones in a copied mount namespace" [MappedLayers, PrivateNamespace]
    }
    pub(crate) UpperUsed "know whether an upper directory was ever used" {
        Uuid "by the uuid on it" [LeavesUuid]
        WorkDirectory "not at all: each counts as used" []
    }
}
