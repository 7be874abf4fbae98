// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The ways that each operation has, best first, and what each needs: whoever goes one of them chooses it from here, and says
//! so. `docs/ways.md` is made of it, with the tests that went each way.

use Need::*;
use std::fmt;

/// What a way needs of the kernel, and of the filters that are in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    NewMountApi,
    MountSetattr,
    MoveBeneath,
    MappedLayers,
    LeavesUuid,
    LayerWords,
    LayerFds,
    DetachedChildren,
    DetachedLayers,
    OpenTreeAttr,
    PrivateNamespace,
    /// Known when it is tried.
    Tried(&'static str),
}

impl Need {
    fn words(self) -> &'static str {
        match self {
            Self::NewMountApi => "fsopen, fsmount, open_tree, move_mount [5.2]",
            Self::MountSetattr => "mount_setattr [5.12]",
            Self::MoveBeneath => "MOVE_MOUNT_BENEATH [6.5]",
            Self::MappedLayers => "overlay with mapped layers [5.19]",
            Self::LeavesUuid => "overlay's uuid on its upper [6.6]",
            Self::LayerWords => "lowerdir+ [6.7]",
            Self::LayerFds => "layers as descriptors [6.13]",
            Self::DetachedChildren => "mounting into detached trees [6.15]",
            Self::DetachedLayers => "overlay layers in a detached tree [6.15]",
            Self::OpenTreeAttr => "open_tree_attr [6.15]",
            Self::PrivateNamespace => "unshare(CLONE_NEWNS)",
            Self::Tried(words) => words,
        }
    }
}

/// The ways of one operation.
pub(crate) trait Ways: Copy + PartialEq + 'static {
    const OPERATION: &'static str;
    /// Best first, each with what it needs.
    const ALL: &'static [(Self, &'static str, &'static [Need])];

    fn words(self) -> &'static str {
        Self::ALL.iter().find(|(way, ..)| *way == self).map_or("", |(_, words, _)| words)
    }

    /// This way is gone now. Where tests count ways it is written down, else nothing is done.
    fn taken(self) -> Self {
        record::took(Self::OPERATION, self.words());
        self
    }
}

/// A way as it stands in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WayOf {
    /// What is done.
    pub operation: &'static str,
    /// How.
    pub way: &'static str,
    /// What that needs, with the first release that has it; nothing for the last resort.
    pub needs: Vec<&'static str>,
    /// Whether it is only known when it is tried, and no field of [`Features`](crate::vfs::features::Features) says so.
    pub is_tried: bool,
}

macro_rules! ways {
    ($($(#[$about:meta])* $vis:vis $operation:ident $title:literal { $($(#[$doc:meta])* $way:ident $words:literal [$($need:expr),*])+ })+) => {
        $(
            $(#[$about])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            $vis enum $operation { $($(#[$doc])* $way),+ }

            impl Ways for $operation {
                const OPERATION: &'static str = $title;
                const ALL: &'static [(Self, &'static str, &'static [Need])] = &[$((Self::$way, $words, &[$($need),*])),+];
            }

            impl fmt::Display for $operation {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(self.words())
                }
            }
        )+

        /// All ways of all operations, each operation's best first.
        ///
        /// ```
        /// for way in fmountat::ways() {
        ///     println!("{}: {}; needs: {}", way.operation, way.way, way.needs.join(", "));
        /// }
        /// ```
        #[must_use]
        pub fn ways() -> Vec<WayOf> {
            let mut all = Vec::new();
            $(all.extend($operation::ALL.iter().map(|(_, way, needs)| WayOf {
                operation: $operation::OPERATION,
                way,
                needs: needs.iter().map(|need| need.words()).collect(),
                is_tried: needs.iter().any(|need| matches!(need, Need::Tried(_))),
            }));)+
            all
        }
    };
}

ways! {
    /// How a plan gets to its target.
    pub Way "publish a set" {
        /// Built detached, published in one step: others see none of it or all of it.
        Detached "built detached, published in one step" [NewMountApi, MountSetattr, DetachedChildren]
        /// Built in a mount namespace that lives as long as that takes, copied out of it, published in one step: others see
        /// none of it or all of it. It costs as much more as the machine has mounts.
        PrivateNamespace "built in a private mount namespace, published in one step" [NewMountApi, MountSetattr, PrivateNamespace]
        /// Mounted one by one, each finished before the next; taken back when one fails. Others can see it half done, and
        /// `kill -9` leaves it so.
        StepByStep "step by step, taken back on failure" [NewMountApi, MountSetattr]
    }
    /// How a set takes the place of another.
    pub SwapWay "replace a set" {
        /// Beneath the old one, which is then taken away: others always see one of the two \[Linux 6.5\].
        Beneath "beneath the old one, without a moment between" [MoveBeneath]
        /// The old one is taken away, and the new one attached at once: for a moment others see neither.
        Gap "after the old one, with a moment between" []
    }
    pub(crate) Subdir "mount a directory of a new file system" {
        Detached "open_tree(2) in the detached mount" [MountSetattr, DetachedChildren]
        Attached "attached in a private mount namespace for it" [PrivateNamespace]
    }
    pub(crate) OverlayBy "mount an overlay on a target" {
        Clone "mount(2) from a detached clone of the layers' directory" [DetachedLayers]
        Directory "mount(2) from the layers' directory" []
        Detached "detached, then attached" [NewMountApi]
    }
    pub(crate) GiveLayers "give a detached overlay its layers" {
        Descriptors "as descriptors" [LayerWords, LayerFds]
        Names "as the names of descriptors" [LayerWords]
        ByMount "to mount(2) in a private mount namespace" [PrivateNamespace]
    }
    pub(crate) MapLayers "map the owners of an overlay's layers" {
        Clone "in mapped clones" [LayerWords, DetachedLayers]
        PrivateNamespace "in mapped clones that a private mount namespace has" [MappedLayers, PrivateNamespace]
    }
    pub(crate) UpperUsed "know whether an upper directory was ever used" {
        Uuid "by the uuid on it" [LeavesUuid]
        WorkDirectory "not at all: each counts as used" []
    }
    pub(crate) MapOwners "map a mount's owners" {
        OpenTreeAttr "open_tree_attr(2)" [OpenTreeAttr]
        MountSetattr "mount_setattr(2) on a clone" [MountSetattr]
    }
    pub(crate) NamespaceFile "get the file of a user namespace" {
        Pidfd "from a pidfd" [Tried("PIDFD_GET_USER_NAMESPACE [6.11]")]
        Proc "from /proc" []
    }
    pub(crate) MountImage "mount an image file" {
        File "straight from the file" [Tried("a file system that mounts files: erofs [6.12]")]
        LoopDevice "by a loop device" []
    }
    pub(crate) MountFrom "call mount(2) from a directory" {
        Worker "a thread with a cwd of its own" [Tried("unshare(CLONE_FS)")]
        Child "a child that shares the memory" []
    }
    pub(crate) MindHelper "notice that the caller of a mount helper has ended" {
        Pidfd "a pidfd" [Tried("pidfd_open [5.3]")]
        Parent "its parent's number, from time to time" []
    }
    pub(crate) ReadTable "read the mount table" {
        Statmount "listmount(2) and statmount(2)" [Tried("statmount, listmount [6.8]")]
        Mountinfo "/proc/PID/mountinfo" []
    }
    pub(crate) FindMount "find the mount of a path" {
        Statmount "statmount(2)" [Tried("statmount [6.8]")]
        Mountinfo "statx(2) and /proc/self/mountinfo" []
    }
    pub(crate) WatchBy "watch mounts" {
        Fanotify "fanotify(7)" [Tried("FAN_MNT_ATTACH [6.15]")]
        Mountinfo "poll(2) on mountinfo, and a look at what is different" []
    }
    pub(crate) NewMounts "tell new mounts from old ones" {
        Newest "unique ids grow" [Tried("listmount [6.11]")]
        Numbers "by all numbers that there were" []
    }
    pub(crate) LookOnTop "see whether a mount is on top" {
        Statmount "statmount(2)" [Tried("statmount [6.8]")]
        Mountinfo "/proc/self/mountinfo" []
    }
    pub(crate) AskKernel "ask the kernel what it has" {
        Here "by calls that fail" [Tried("no filter")]
        Child "by a child, which a filter may kill" []
    }
}

/// In a debug build each way that is gone is added to the file that `FMOUNTAT_WAYS` names, once for each process.
#[cfg(debug_assertions)]
mod record {
    use std::collections::HashSet;
    use std::io::Write;
    use std::sync::{Mutex, PoisonError};

    pub(crate) fn took(operation: &'static str, way: &'static str) {
        static SEEN: Mutex<Option<HashSet<(&str, &str)>>> = Mutex::new(None);
        let Some(path) = std::env::var_os("FMOUNTAT_WAYS") else { return };
        let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.get_or_insert_default().insert((operation, way)) {
            // Where the file is out of reach, the way is not counted.
            if let Ok(mut file) = std::fs::OpenOptions::new().append(true).open(path) {
                let _ = file.write_all(format!("{operation}\t{way}\n").as_bytes());
            }
        }
    }
}

#[cfg(not(debug_assertions))]
mod record {
    pub(crate) fn took(_: &'static str, _: &'static str) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is tried last needs nothing that may be missing, but for operations that are then refused.
    #[test]
    fn every_operation_has_a_last_resort_or_is_refused() {
        let all = ways();
        let refused = [
            Way::OPERATION,
            Subdir::OPERATION,
            GiveLayers::OPERATION,
            MapLayers::OPERATION,
            OverlayBy::OPERATION,
            MapOwners::OPERATION,
        ];
        for pair in all.windows(2).filter(|pair| pair[0].operation != pair[1].operation) {
            assert!(pair[0].needs.is_empty() || refused.contains(&pair[0].operation), "{:?}", pair[0]);
        }
        let mut names: Vec<_> = all.iter().map(|way| (way.operation, way.way)).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all.len());
    }
}
