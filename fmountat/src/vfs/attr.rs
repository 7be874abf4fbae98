// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mount attributes and propagation, as arguments of mount_setattr(2).

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::sys::attr::{MountAttrRaw, mount_setattr};
use crate::sys::ms;
use bitflags::bitflags;
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

bitflags! {
    /// `MOUNT_ATTR_*` of `<linux/mount.h>`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Attr: u64 {
        /// Read-only.
        const RDONLY = 0x1;
        /// Set-user-ID bits and file capabilities are ignored.
        const NOSUID = 0x2;
        /// Device files can't be opened.
        const NODEV = 0x4;
        /// Programs can't be run.
        const NOEXEC = 0x8;
        /// Access times are not updated.
        const NOATIME = 0x10;
        /// Access times are always updated.
        const STRICTATIME = 0x20;
        /// The mask of the access-time policy; zero means relatime.
        const ATIME_FIELD = 0x70;
        /// Access times of directories are not updated.
        const NODIRATIME = 0x80;
        /// Symbolic links are not followed.
        const NOSYMFOLLOW = 0x0020_0000;
    }
}

/// `MOUNT_ATTR_IDMAP`, also in the attributes of statmount(2).
pub(crate) const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;

/// The propagation type of a mount: mount_namespaces(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Propagation {
    /// `MS_PRIVATE`: mount events do not propagate.
    Private,
    /// `MS_SHARED`: mount events propagate to and from the peer group.
    Shared,
    /// `MS_SLAVE`: mount events propagate from the master only.
    Slave,
    /// `MS_UNBINDABLE`: private, and the mount can't be bound.
    Unbindable,
}

impl Propagation {
    /// Returns the `MS_*` bit, which mount_setattr(2) takes too.
    pub(crate) fn bits(self) -> u64 {
        match self {
            Self::Private => ms::MS_PRIVATE,
            Self::Shared => ms::MS_SHARED,
            Self::Slave => ms::MS_SLAVE,
            Self::Unbindable => ms::MS_UNBINDABLE,
        }
    }
}

/// The changes to a mount: attributes to clear, then attributes to set, then the propagation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MountAttr {
    /// Attributes to set.
    pub set: Attr,
    /// Attributes to clear; to change the access-time policy, clear all of [`Attr::ATIME_FIELD`].
    pub clear: Attr,
    /// The new propagation.
    pub propagation: Option<Propagation>,
}

impl MountAttr {
    /// Reports whether there is nothing to change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.clear.is_empty() && self.propagation.is_none()
    }

    /// Merges a change of a whole tree with this later change of its topmost mount, for a tree of
    /// one mount.
    pub(crate) fn after(&self, whole: &Self) -> Self {
        Self {
            set: (whole.set - self.clear) | self.set,
            clear: whole.clear | self.clear,
            propagation: self.propagation.or(whole.propagation),
        }
    }

    /// Returns the change for a mount that mount(2) made with the superblock flags `flags`.
    /// MS_RDONLY for a read-only superblock (`ro=fs`) made the mount read-only too, and is cleared
    /// unless the mount is to be read-only.
    pub(crate) fn after_ms_flags(mut self, flags: &[&str]) -> Self {
        if flags.contains(&"ro") && !self.set.contains(Attr::RDONLY) {
            self.clear |= Attr::RDONLY;
        }
        self
    }

    /// Returns the attributes to set as options: `ro,nosuid`.
    pub(crate) fn names(&self) -> String {
        let names = [
            (Attr::RDONLY, "ro"),
            (Attr::NOSUID, "nosuid"),
            (Attr::NODEV, "nodev"),
            (Attr::NOEXEC, "noexec"),
            (Attr::NOATIME, "noatime"),
            (Attr::STRICTATIME, "strictatime"),
            (Attr::NODIRATIME, "nodiratime"),
            (Attr::NOSYMFOLLOW, "nosymfollow"),
        ];
        let set: Vec<&str> =
            names.iter().filter(|(bit, _)| self.set.contains(*bit)).map(|(_, name)| *name).collect();
        set.join(",")
    }

    /// Returns the attributes to set as fsmount(2) takes them. A new mount has nothing to clear.
    pub(crate) fn at_birth(&self) -> MountAttrFlags {
        MountAttrFlags::from_bits_retain(u32::try_from(self.set.bits()).unwrap_or(0))
    }

    fn raw(&self) -> MountAttrRaw {
        MountAttrRaw {
            attr_set: self.set.bits(),
            attr_clr: self.clear.bits(),
            propagation: self.propagation.map_or(0, Propagation::bits),
            userns_fd: 0,
        }
    }
}

/// Changes the mount that `fd` is on, and with `recursive` all mounts below it: mount_setattr(2)
/// \[Linux 5.12\].
///
/// In a user namespace the kernel locks the attributes of mounts from outside: those that are not
/// named in `attr` keep their value, and a request to clear a locked one is
/// [`ErrorKind::Locked`], as in runc (opencontainers/runc#3967).
pub(crate) fn set_attr(fd: BorrowedFd<'_>, attr: &MountAttr, recursive: bool) -> Result<()> {
    if attr.is_empty() {
        return Ok(());
    }
    set_raw(fd, &attr.raw(), recursive).map_err(|errno| {
        explain_attr(Error::sys(Operation::SetMountAttributes, Syscall::MountSetattr, errno), fd, attr)
    })
}

/// Changes a tree: `whole` on all its mounts, then `top` on the topmost mount. Makes one call if
/// the tree is one mount. Two kinds of propagation need two calls, because the second does not
/// replace the first: a slave can be shared as well.
pub(crate) fn set_tree_attr(
    fd: BorrowedFd<'_>,
    top: &MountAttr,
    whole: &MountAttr,
    is_tree: bool,
) -> Result<()> {
    let are_related = top.propagation.is_some() && whole.propagation.is_some();
    if !is_tree && !are_related {
        return set_attr(fd, &top.after(whole), false);
    }
    set_attr(fd, whole, is_tree)?;
    set_attr(fd, top, false)
}

/// Calls mount_setattr(2) on the mount that `fd` is on, and with `recursive` on all mounts below
/// it.
pub(crate) fn set_raw(
    fd: BorrowedFd<'_>,
    raw: &MountAttrRaw,
    recursive: bool,
) -> std::result::Result<(), Errno> {
    let flags = libc::AT_EMPTY_PATH as u32 | if recursive { libc::AT_RECURSIVE as u32 } else { 0 };
    mount_setattr(fd, c"", flags, raw)
}

/// Names the attributes that the kernel has locked in a user namespace, out of those that were to
/// be changed.
fn explain_attr(error: Error, fd: BorrowedFd<'_>, attr: &MountAttr) -> Error {
    let is_inside = !crate::vfs::features::Features::get().initial_user_namespace;
    if error.raw_errno() != Some(Errno::PERM) {
        return error;
    }
    let now =
        rustix::fs::fstatvfs(fd).map(|stat| Attr::from_bits_truncate(stat.f_flag.bits())).unwrap_or_default();
    // The restriction bits of statvfs(3) are those of the attributes; the access-time bits are not.
    let restrictions = Attr::RDONLY | Attr::NOSUID | Attr::NODEV | Attr::NOEXEC;
    let locked = MountAttr { set: attr.clear & now & restrictions, ..MountAttr::default() };
    let policy = (attr.set | attr.clear).intersects(Attr::ATIME_FIELD | Attr::NODIRATIME);
    let reason = match (is_inside, locked.set.is_empty(), policy) {
        (true, false, _) => format!("{} is locked on this mount", locked.names()),
        (true, true, true) => String::from("the access-time options are locked on this mount"),
        _ => return crate::vfs::privilege::needs_admin(error),
    };
    let hint = "remove this option, or run it outside the user namespace: mounts copied from a parent \
                namespace keep their restrictions";
    error.with_kind(ErrorKind::Locked).with_reason(reason).with_hint(hint)
}
