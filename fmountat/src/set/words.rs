// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The option words as data: what each one does. mount(8), "FILESYSTEM-INDEPENDENT MOUNT OPTIONS"; OCI runtime spec.

use crate::vfs::attr::{Attr, Propagation};

/// What an option word does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Per-mount attributes to set and to clear.
    Attr(Attr, Attr),
    /// A superblock flag by fsconfig's name, with its opposite that it takes back.
    Superblock(&'static str, &'static str),
    /// `ro` and `rw`: the attribute and the superblock flag.
    ReadOnly(bool),
    /// Propagation, of this mount or of all below too.
    Propagation(Propagation, bool),
    /// A bind, recursive or not.
    Bind(bool),
    /// Change what is mounted.
    Remount,
    /// Understood; for fstab's readers or for the kernel's log alone.
    Nothing,
    /// Known, and not something that this layer does.
    Refused(&'static str),
}

use Effect::{Attr as A, Bind, Nothing, Propagation as P, ReadOnly, Refused, Remount, Superblock};

const NONE: Attr = Attr::empty();
/// What `user` and `users` imply, unless a later word takes it back.
const USER: Attr = Attr::NOSUID.union(Attr::NODEV).union(Attr::NOEXEC);
/// What `owner` and `group` imply.
const OWNER: Attr = Attr::NOSUID.union(Attr::NODEV);
const LATER_IDMAP: &str = "id-mapped mounts are not supported by this release";
const LATER_LOOP: &str =
    "loop devices are not supported by this release: set one up with losetup(8) and mount that";

/// Every word without a prefix of its own. The words with an `r` in front for a whole tree follow from those marked
/// by [`Effect::Attr`] and [`Effect::ReadOnly`].
const WORDS: &[(&str, Effect)] = &[
    ("defaults", Nothing),
    ("ro", ReadOnly(true)),
    ("rw", ReadOnly(false)),
    ("nosuid", A(Attr::NOSUID, NONE)),
    ("suid", A(NONE, Attr::NOSUID)),
    ("nodev", A(Attr::NODEV, NONE)),
    ("dev", A(NONE, Attr::NODEV)),
    ("noexec", A(Attr::NOEXEC, NONE)),
    ("exec", A(NONE, Attr::NOEXEC)),
    // The access-time policy is one field: each word clears all of it.
    ("noatime", A(Attr::NOATIME, Attr::ATIME_FIELD)),
    ("atime", A(NONE, Attr::ATIME_FIELD)),
    ("strictatime", A(Attr::STRICTATIME, Attr::ATIME_FIELD)),
    ("nostrictatime", A(NONE, Attr::ATIME_FIELD)),
    ("relatime", A(NONE, Attr::ATIME_FIELD)),
    ("norelatime", A(NONE, Attr::ATIME_FIELD)),
    ("nodiratime", A(Attr::NODIRATIME, NONE)),
    ("diratime", A(NONE, Attr::NODIRATIME)),
    ("nosymfollow", A(Attr::NOSYMFOLLOW, NONE)),
    ("symfollow", A(NONE, Attr::NOSYMFOLLOW)),
    ("sync", Superblock("sync", "async")),
    ("async", Superblock("async", "sync")),
    ("dirsync", Superblock("dirsync", "")),
    ("mand", Superblock("mand", "nomand")),
    ("nomand", Superblock("nomand", "mand")),
    ("lazytime", Superblock("lazytime", "nolazytime")),
    ("nolazytime", Superblock("nolazytime", "lazytime")),
    ("private", P(Propagation::Private, false)),
    ("rprivate", P(Propagation::Private, true)),
    ("shared", P(Propagation::Shared, false)),
    ("rshared", P(Propagation::Shared, true)),
    ("slave", P(Propagation::Slave, false)),
    ("rslave", P(Propagation::Slave, true)),
    ("unbindable", P(Propagation::Unbindable, false)),
    ("runbindable", P(Propagation::Unbindable, true)),
    ("bind", Bind(false)),
    ("rbind", Bind(true)),
    ("remount", Remount),
    ("silent", Nothing),
    ("loud", Nothing),
    ("auto", Nothing),
    ("noauto", Nothing),
    ("_netdev", Nothing),
    ("user", A(USER, NONE)),
    ("nouser", Nothing),
    ("users", A(USER, NONE)),
    ("nousers", Nothing),
    ("owner", A(OWNER, NONE)),
    ("noowner", Nothing),
    ("group", A(OWNER, NONE)),
    ("nogroup", Nothing),
    ("loop", Refused(LATER_LOOP)),
    ("direct-io", Refused(LATER_LOOP)),
    ("uidmap", Refused(LATER_IDMAP)),
    ("gidmap", Refused(LATER_IDMAP)),
    ("idmap", Refused(LATER_IDMAP)),
    ("ridmap", Refused(LATER_IDMAP)),
    ("X-mount.idmap", Refused(LATER_IDMAP)),
    (
        "tmpcopyup",
        Refused("copying the directory up into the tmpfs is the caller's work: mounting copies nothing"),
    ),
];

/// What `word` does, and whether to a whole tree; `None` for a word of the file system.
pub(super) fn look_up(word: &str) -> Option<(Effect, bool)> {
    let find = |name: &str| WORDS.iter().find(|(n, _)| *n == name).map(|(_, effect)| *effect);
    if let Some(effect) = find(word) {
        return Some((effect, false));
    }
    let effect = find(word.strip_prefix('r')?)?;
    matches!(effect, A(..) | ReadOnly(_)).then_some((effect, true))
}

/// Every word there is, the recursive forms too.
#[cfg(test)]
pub(super) fn all() -> Vec<String> {
    let recursive = WORDS.iter().filter(|(_, e)| matches!(e, A(..) | ReadOnly(_)));
    let recursive = recursive.map(|(name, _)| format!("r{name}"));
    WORDS.iter().map(|(name, _)| (*name).to_owned()).chain(recursive).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recursive_forms_follow_and_names_are_not_ambiguous() {
        assert_eq!(look_up("rro"), Some((ReadOnly(true), true)));
        assert_eq!(look_up("rnosuid"), Some((A(Attr::NOSUID, NONE), true)));
        assert_eq!(look_up("relatime"), Some((A(NONE, Attr::ATIME_FIELD), false)));
        assert_eq!(look_up("rsync"), None);
        assert_eq!(look_up("size"), None);
        let mut names = all();
        names.sort();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
