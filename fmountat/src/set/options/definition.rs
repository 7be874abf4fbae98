// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The row type of the option table: an option, its effect, and the mounts that accept it.
//!
//! Sources: mount(8), "FILESYSTEM-INDEPENDENT MOUNT OPTIONS"; OCI's runtime spec, "Linux mount
//! options"; containerd's `core/mount`. `docs/options.md` and the completions of `-o` are generated
//! from the table.

use crate::sys::ms;
use crate::vfs::attr::{Attr, Propagation};
use bitflags::bitflags;

bitflags! {
    /// The kinds of mount on which an option has an effect.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Places: u8 {
        /// A bind, recursive or not.
        const BIND = 1;
        /// A new file system.
        const NEW = 2;
        /// A change to an existing mount.
        const REMOUNT = 4;
    }
}

/// Whether an option takes a value, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// The option alone.
    None,
    /// `option` or `option=VALUE`.
    Optional(&'static str),
    /// `option=VALUE`.
    Required(&'static str),
}

/// One row of the option table.
///
/// ```
/// let mut options = fmountat::options::userspace_options().iter();
/// let ro = options.find(|option| option.name == "ro").unwrap();
/// assert_eq!((ro.ms().0, ro.recursive_form().as_deref()), (1, Some("rro")));
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct UserspaceOption {
    /// The name of the option.
    pub name: &'static str,
    /// The value of the option.
    pub value: Value,
    /// The kinds of mount on which it has an effect. On all others it is refused.
    pub places: Places,
    /// The effect, in one line.
    pub help: &'static str,
    pub(crate) effect: Effect,
}

/// The effect of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Per-mount attributes to set and to clear.
    Attr(Attr, Attr),
    /// A superblock flag by its fsconfig(2) name, and the opposite flag that it clears.
    Superblock(&'static str, &'static str),
    /// `ro` and `rw`: the mount attribute and the superblock flag.
    ReadOnly(bool),
    /// Propagation, of this mount or of all below it too.
    Propagation(Propagation, bool),
    /// A bind, recursive or not.
    Bind(bool),
    /// A change to an existing mount.
    Remount,
    /// An option for us: the target, loop devices, id mappings.
    Engine(Engine),
    /// Accepted without effect: for other readers of fstab, or for the kernel's log only.
    Ignored,
    /// Known but refused: not a task of this layer.
    Refused(&'static str),
}

/// The userspace options of this layer.
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
    /// Returns the layer of the option: `attribute`, `filesystem`, `propagation`, `engine`, `note`
    /// or `refused`.
    #[must_use]
    pub fn layer(&self) -> &'static str {
        match self.effect {
            Effect::Attr(..) => "attribute",
            Effect::ReadOnly(_) => "attribute, filesystem",
            Effect::Superblock(..) => "filesystem",
            Effect::Propagation(..) => "propagation",
            Effect::Bind(_) | Effect::Remount | Effect::Engine(_) => "engine",
            Effect::Ignored => "note",
            Effect::Refused(_) => "refused",
        }
    }

    /// Returns the option for a whole tree, if there is one: `rro` for `ro`.
    #[must_use]
    pub fn recursive_form(&self) -> Option<String> {
        self.has_recursive_form().then(|| format!("r{}", self.name))
    }

    pub(crate) fn has_recursive_form(&self) -> bool {
        matches!(self.effect, Effect::Attr(..) | Effect::ReadOnly(_)) && !USERS.contains(&self.name)
    }

    /// Returns the `MOUNT_ATTR_*` bits that mount_setattr(2) sets and clears for it. The
    /// access-time policy is one field: each of its options clears the whole field.
    #[must_use]
    pub fn attr(&self) -> (Attr, Attr) {
        match self.effect {
            Effect::Attr(set, clear) => (set, clear),
            Effect::ReadOnly(true) => (Attr::RDONLY, Attr::empty()),
            Effect::ReadOnly(false) => (Attr::empty(), Attr::RDONLY),
            _ => (Attr::empty(), Attr::empty()),
        }
    }

    /// Returns the `MS_*` bits that mount(2) sets and clears for it.
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

/// Options that imply several attributes are for fstab and have no recursive form.
const USERS: [&str; 4] = ["user", "users", "owner", "group"];
