// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Per-mount attributes and propagation, as mount_setattr(2) takes them.

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
        /// Set-user-ID bits and file capabilities have no effect.
        const NOSUID = 0x2;
        /// Device files can't be opened.
        const NODEV = 0x4;
        /// Programs can't be run.
        const NOEXEC = 0x8;
        /// Access times are not updated.
        const NOATIME = 0x10;
        /// Access times are always updated.
        const STRICTATIME = 0x20;
        /// The field that holds the access-time policy; zero in it is relatime.
        const ATIME_FIELD = 0x70;
        /// Access times of directories are not updated.
        const NODIRATIME = 0x80;
        /// Symbolic links are not followed.
        const NOSYMFOLLOW = 0x0020_0000;
    }
}

/// Where mounts and unmounts below a mount spread to: mount_namespaces(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Propagation {
    /// `MS_PRIVATE`: nowhere.
    Private,
    /// `MS_SHARED`: to and from the peer group.
    Shared,
    /// `MS_SLAVE`: from the master only.
    Slave,
    /// `MS_UNBINDABLE`: nowhere, and it can't be bound.
    Unbindable,
}

impl Propagation {
    /// `MS_PRIVATE` and its like, which mount_setattr(2) takes too.
    pub(crate) fn bits(self) -> u64 {
        match self {
            Self::Private => ms::MS_PRIVATE,
            Self::Shared => ms::MS_SHARED,
            Self::Slave => ms::MS_SLAVE,
            Self::Unbindable => ms::MS_UNBINDABLE,
        }
    }
}

/// What to change on a mount: attributes to clear, then attributes to set, then the propagation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MountAttr {
    /// Attributes to set.
    pub set: Attr,
    /// Attributes to clear; to change the access-time policy, clear all of [`Attr::ATIME_FIELD`].
    pub clear: Attr,
    /// The propagation to give it.
    pub propagation: Option<Propagation>,
}

impl MountAttr {
    /// Nothing to change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.clear.is_empty() && self.propagation.is_none()
    }

    /// The change of a mount that is one mount, when all of a tree is changed first, and then these are for its top.
    pub(crate) fn after(&self, whole: &Self) -> Self {
        Self {
            set: (whole.set - self.clear) | self.set,
            clear: whole.clear | self.clear,
            propagation: self.propagation.or(whole.propagation),
        }
    }

    /// These, for a mount that mount(2) has made of a file system with such flags: the MS_RDONLY of one that is to be `ro` (`ro=fs`)
    /// has made the mount read-only too.
    pub(crate) fn after_ms_flags(mut self, flags: &[&str]) -> Self {
        if flags.contains(&"ro") && !self.set.contains(Attr::RDONLY) {
            self.clear |= Attr::RDONLY;
        }
        self
    }

    /// The attributes to set, as option words: `ro,nosuid`.
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

    /// The attributes as fsmount(2) takes them at birth, when there is nothing to clear.
    pub(crate) fn at_birth(&self) -> MountAttrFlags {
        MountAttrFlags::from_bits_retain(u32::try_from(self.set.bits()).unwrap_or(0))
    }

    fn raw(&self, clear: Attr) -> MountAttrRaw {
        MountAttrRaw {
            attr_set: self.set.bits(),
            attr_clr: clear.bits(),
            propagation: self.propagation.map_or(0, Propagation::bits),
            userns_fd: 0,
        }
    }
}

/// What becomes of a word that would clear an attribute locked by the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Locked {
    /// For a copy: a bind in a user namespace works as it can.
    StaysAsItIs,
    /// For a remount, which is nothing but the words.
    IsAnError,
}

/// Changes the mount that `fd` is on, and with `recursive` all mounts below it: mount_setattr(2) \[Linux 5.12\].
///
/// In a user namespace the kernel locks the attributes of mounts that came from outside. Clearing a locked one is
/// refused; it then stays as it is and everything else that was asked is done (OCI runtimes do the same).
pub(crate) fn set_attr(fd: BorrowedFd<'_>, attr: &MountAttr, recursive: bool, locked: Locked) -> Result<()> {
    if attr.is_empty() {
        return Ok(());
    }
    let set = |clear| set_raw(fd, &attr.raw(clear), recursive);
    let done = match set(attr.clear) {
        Err(Errno::PERM) if !attr.clear.is_empty() && locked == Locked::StaysAsItIs => {
            // The policy field must be cleared as a whole when a new policy is set.
            let keep = attr.set.intersects(Attr::ATIME_FIELD);
            set(if keep { Attr::ATIME_FIELD } else { Attr::empty() })
        }
        other => other,
    };
    done.map_err(|errno| {
        explain_attr(Error::sys(Operation::SetMountAttributes, Syscall::MountSetattr, errno), fd, attr)
    })
}

/// Changes a tree: `whole` on all its mounts, then `top` on the topmost alone; what is one mount in one call. Of two kinds of
/// propagation the second does not replace the first: a slave can be shared as well.
pub(crate) fn set_tree_attr(
    fd: BorrowedFd<'_>,
    top: &MountAttr,
    whole: &MountAttr,
    is_tree: bool,
    locked: Locked,
) -> Result<()> {
    let are_related = top.propagation.is_some() && whole.propagation.is_some();
    if !is_tree && !are_related {
        return set_attr(fd, &top.after(whole), false, locked);
    }
    set_attr(fd, whole, is_tree, locked)?;
    set_attr(fd, top, false, locked)
}

/// mount_setattr(2) on the mount that `fd` is on, and with `recursive` on all below it.
pub(crate) fn set_raw(
    fd: BorrowedFd<'_>,
    raw: &MountAttrRaw,
    recursive: bool,
) -> std::result::Result<(), Errno> {
    let flags = libc::AT_EMPTY_PATH as u32 | if recursive { libc::AT_RECURSIVE as u32 } else { 0 };
    mount_setattr(fd, c"", flags, raw)
}

/// What the kernel has locked in a user namespace, of what was to be changed.
fn explain_attr(error: Error, fd: BorrowedFd<'_>, attr: &MountAttr) -> Error {
    let is_inside = !crate::vfs::features::Features::get().initial_user_namespace;
    if error.raw_errno() != Some(Errno::PERM) {
        return error;
    }
    let now =
        rustix::fs::fstatvfs(fd).map(|stat| Attr::from_bits_truncate(stat.f_flag.bits())).unwrap_or_default();
    // The five lowest bits of statvfs(3)'s flags mean what the attributes mean, but for the access times.
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
