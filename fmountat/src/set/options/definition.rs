// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The option table as data: every word, what it does, on which layer, and where it may stand.
//!
//! mount(8), "FILESYSTEM-INDEPENDENT MOUNT OPTIONS"; OCI's runtime spec, "Linux mount options"; containerd's
//! `core/mount`. `docs/options.md` and the completions of `-o` are made from it.

use crate::sys::ms;
use crate::vfs::attr::{Attr, Propagation};
use bitflags::bitflags;

bitflags! {
    /// Kinds of mount call that an option word has an effect in.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Places: u8 {
        /// A bind, recursive or not.
        const BIND = 1;
        /// A new file system.
        const NEW = 2;
        /// A change to what is mounted.
        const REMOUNT = 4;
    }
}

/// Whether a word takes a value, and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// `word` alone.
    None,
    /// `word` or `word=VALUE`.
    Optional(&'static str),
    /// `word=VALUE`.
    Required(&'static str),
}

/// One word of the option table.
///
/// ```
/// let ro = fmountat::options::userspace_options().iter().find(|word| word.name == "ro").unwrap();
/// assert_eq!((ro.ms().0, ro.recursive_form().as_deref()), (1, Some("rro")));
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct UserspaceOption {
    /// The word.
    pub name: &'static str,
    /// Its value.
    pub value: Value,
    /// Where it may stand; elsewhere it would have no effect, and is refused.
    pub places: Places,
    /// What it does, in one line.
    pub help: &'static str,
    pub(crate) effect: Effect,
}

/// What a word does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
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
    /// For us: the target, loop devices, id mappings.
    Engine(Engine),
    /// Understood; for fstab's readers or for the kernel's log alone.
    Note,
    /// Known, and not something that this layer does.
    Refused(&'static str),
}

/// The words of this layer itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Nofail,
    Mkdir,
    Subdir,
    Owner,
    Group,
    Mode,
    /// `X-mount.idmap=`.
    Idmap,
    /// `uidmap=`, `gidmap=`.
    IdmapOf(crate::vfs::idmap::Ids),
    /// `idmap`, `ridmap`.
    IdmapRecursive(bool),
    Loop,
    Offset,
    SizeLimit,
    SectorSize,
    DirectIo,
}

impl UserspaceOption {
    /// The layer that it works on: `attribute`, `filesystem`, `propagation`, `engine`, `note` or `refused`.
    #[must_use]
    pub fn layer(&self) -> &'static str {
        match self.effect {
            Effect::Attr(..) => "attribute",
            Effect::ReadOnly(_) => "attribute, filesystem",
            Effect::Superblock(..) => "filesystem",
            Effect::Propagation(..) => "propagation",
            Effect::Bind(_) | Effect::Remount | Effect::Engine(_) => "engine",
            Effect::Note => "note",
            Effect::Refused(_) => "refused",
        }
    }

    /// The word for a whole tree, for words that have one: `rro` for `ro`.
    #[must_use]
    pub fn recursive_form(&self) -> Option<String> {
        self.has_recursive_form().then(|| format!("r{}", self.name))
    }

    pub(crate) fn has_recursive_form(&self) -> bool {
        matches!(self.effect, Effect::Attr(..) | Effect::ReadOnly(_)) && !USERS.contains(&self.name)
    }

    /// `MOUNT_ATTR_*` bits that mount_setattr(2) sets and clears for it. The access-time policy is one field, which each
    /// of its words clears as a whole.
    #[must_use]
    pub fn attr(&self) -> (Attr, Attr) {
        match self.effect {
            Effect::Attr(set, clear) => (set, clear),
            Effect::ReadOnly(true) => (Attr::RDONLY, Attr::empty()),
            Effect::ReadOnly(false) => (Attr::empty(), Attr::RDONLY),
            _ => (Attr::empty(), Attr::empty()),
        }
    }

    /// `MS_*` bits that mount(2) is given and not given for it.
    #[must_use]
    pub fn ms(&self) -> (u64, u64) {
        let (set, clear) = self.attr();
        let superblock = |name| crate::vfs::flags::ms_of_superblock(name);
        match self.effect {
            Effect::Superblock(name, opposite) => (superblock(name), superblock(opposite)),
            Effect::Propagation(propagation, recursive) => {
                (propagation.bits() | if recursive { ms::MS_REC } else { 0 }, 0)
            }
            Effect::Bind(recursive) => (ms::MS_BIND | if recursive { ms::MS_REC } else { 0 }, 0),
            Effect::Remount => (ms::MS_REMOUNT, 0),
            _ => (
                crate::vfs::flags::ms_of_attr(set),
                crate::vfs::flags::ms_of_attr(clear) & !crate::vfs::flags::ms_of_attr(set),
            ),
        }
    }
}

/// What implies several attributes is for fstab, and has no recursive form.
const USERS: [&str; 4] = ["user", "users", "owner", "group"];
