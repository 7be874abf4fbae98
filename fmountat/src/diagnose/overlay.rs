// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Explains failed overlays from the file systems of their layers, if the kernel gave no reason.

use crate::diagnose::limits::number;
use crate::diagnose::{parameters, spelling};
use crate::error::{Error, ErrorKind, LayerRef, Operation, Syscall, escape};
use crate::kinds::overlay::Overlay;
use crate::kinds::overlay::layer_files::open_layer;
use crate::mountinfo;
use crate::mountinfo::MountEntry;
use crate::mountinfo::id::MountinfoId;
use crate::sys::procfs;
use crate::vfs::features::Features;
use crate::vfs::identity::is_dir;
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags, StatVfsMountFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// `FILESYSTEM_MAX_STACK_DEPTH`, <linux/fs.h>, which includes the overlay itself.
const MAX_STACK_DEPTH: u32 = 2;

const READ_ONLY_HINT: &str = "give an upperdir that can be written to, or none for a read-only overlay";

const DEEP_HINT: &str =
    "give the inner overlay's own layers, or put these layers on a volume that is neither overlay nor proc";

const LOCKED_HINT: &str =
    "give directories that have no mounts below, each as a layer of an overlay of its own";

/// Explains why the kernel refused the overlay, or why it cannot use the work directory.
pub(crate) fn explain(error: Error, overlay: &Overlay, dir: BorrowedFd<'_>) -> Error {
    let is_create = matches!(error.call(), Some(Syscall::Fsconfig | Syscall::Mount | Syscall::Fsmount));
    let is_inside = !Features::get().initial_user_namespace;
    if overlay.lowers.is_empty() && error.kind() == ErrorKind::OptionConflict {
        return without_lowers(error, overlay);
    }
    match error.raw_errno() {
        Some(Errno::INVAL) if is_create && error.kernel().is_empty() && !error.has_reason() => {
            let error = refused(error, overlay, dir);
            let error = if error.has_reason() { error } else { unknown_option(error, overlay) };
            if is_inside && !error.has_reason() { privileged_option(error, overlay) } else { error }
        }
        Some(Errno::STALE) if is_create => {
            let error = error
                .with_kind(ErrorKind::UpperMismatch)
                .with_operation(Operation::CheckLayer)
                .with_reason("with index=on it belongs to other lower layers than these")
                .with_hint("mount it with the layers it was first mounted with, or with index=off");
            overlay.name_layer(error, LayerRef::Upper)
        }
        // Newer kernels return EINVAL.
        Some(Errno::ROFS) if is_create && !error.has_reason() => refused(error, overlay, dir),
        Some(Errno::PERM) if is_create && is_inside => privileged_option(error, overlay),
        None if error.kind() == ErrorKind::WorkUnusable => work(error, overlay, dir),
        _ => error,
    }
}

/// Suggests `lowerdir` for an option that resembles it.
fn without_lowers(error: Error, overlay: &Overlay) -> Error {
    let mut keys = overlay.options.iter().filter_map(|option| option.key.to_str());
    match keys.find(|key| spelling::nearest(key, ["lowerdir"]).is_some()) {
        Some(key) => error
            .with_hint(format!("did you mean lowerdir? `{}` is none of its words", escape(key.as_bytes()))),
        None => error,
    }
}

/// Names an option that overlay does not support. Before Linux 6.5 overlay parses its options last
/// and names the unknown one only in the kernel's log.
fn unknown_option(error: Error, overlay: &Overlay) -> Error {
    match parameters::unknown("overlay", &overlay.options) {
        Some(option) => error
            .with_kind(ErrorKind::UnknownOption)
            .with_operation(Operation::SetOption)
            .with_argument(option.text())
            .with_reason("overlay of this kernel does not know it"),
        None => error,
    }
}

/// Explains an EINVAL of the creation without a kernel log line, by the file system of a layer.
fn refused(error: Error, overlay: &Overlay, dir: BorrowedFd<'_>) -> Error {
    let table = mountinfo::read().unwrap_or_default();
    let by_id: HashMap<MountinfoId, &MountEntry> = table.iter().map(|entry| (entry.id, entry)).collect();
    let found = overlay.layers().find_map(|(role, layer)| {
        let fd = open_layer(layer, dir)?;
        let fd = fd.as_fd();
        // Newer kernels log an upper on a read-only mount.
        let (kind, reason, hint) = if role == LayerRef::Upper && is_read_only(fd) {
            (ErrorKind::UpperUnusable, "it is on a read-only mount".to_owned(), READ_ONLY_HINT)
        } else if mount_of(fd, &by_id).is_some_and(|mount| mount.fstype == "proc") {
            let reason = "the kernel takes no directory of a proc file system for a layer";
            (ErrorKind::TooDeep, reason.to_owned(), DEEP_HINT)
        } else if depth_of(fd, &by_id, MAX_STACK_DEPTH) >= MAX_STACK_DEPTH {
            let reason = "it lies on an overlay whose layers are overlays: the kernel stacks two at most";
            (ErrorKind::TooDeep, reason.to_owned(), DEEP_HINT)
        } else {
            let below = locked_below(fd, &table)?;
            let below = escape(below.as_os_str().as_bytes());
            let reason = format!("{below} is mounted below it, which a layer can't have in a user namespace");
            (ErrorKind::Locked, reason, LOCKED_HINT)
        };
        Some((role, kind, reason, hint))
    });
    match found {
        Some((role, kind, reason, hint)) => {
            let error = error.with_kind(kind).with_operation(Operation::CheckLayer).with_reason(reason);
            overlay.name_layer(error, role).with_hint(hint)
        }
        None => error,
    }
}

fn is_read_only(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fstatvfs(fd).is_ok_and(|stat| stat.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// Returns the stack depth of the descriptor's file system: 0 for a plain one, 1 for an overlay of
/// plain ones. A layer whose path cannot be opened counts as plain.
fn depth_of(fd: BorrowedFd<'_>, table: &HashMap<MountinfoId, &MountEntry>, left: u32) -> u32 {
    let Some(mount) = mount_of(fd, table) else { return 0 };
    // An erofs mounted from a file is stacked on the file system of that file.
    if mount.fstype == "erofs" && mount.device.0 == 0 && left > 0 {
        return 1 + open_path(Path::new(&mount.source)).map_or(0, |fd| depth_of(fd.as_fd(), table, left - 1));
    }
    if mount.fstype != "overlay" || left == 0 {
        return u32::from(mount.fstype == "overlay");
    }
    let below = layers_of(&mount.super_options).into_iter().filter_map(|path| open_path(&path));
    1 + below.map(|fd| depth_of(fd.as_fd(), table, left - 1)).max().unwrap_or(0)
}

fn mount_of<'t>(fd: BorrowedFd<'_>, table: &HashMap<MountinfoId, &'t MountEntry>) -> Option<&'t MountEntry> {
    table.get(&MountinfoId::of(fd).ok()?).copied()
}

fn open_path(path: &Path) -> Option<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    path.is_absolute().then(|| rustix::fs::openat(CWD, path, flags, Mode::empty()).ok()).flatten()
}

/// Returns the layers in an overlay's options, as the mount table shows them.
fn layers_of(options: &OsStr) -> Vec<PathBuf> {
    let mut layers = Vec::new();
    for option in options.as_bytes().split(|byte| *byte == b',') {
        let Some(at) = option.iter().position(|byte| *byte == b'=') else { continue };
        let (key, value) = (&option[..at], &option[at + 1..]);
        if [&b"lowerdir"[..], b"lowerdir+", b"datadir+", b"upperdir"].contains(&key) {
            let parts = value.split(|byte| *byte == b':').filter(|part| !part.is_empty());
            layers.extend(parts.map(|part| PathBuf::from(OsStr::from_bytes(part))));
        }
    }
    layers
}

/// Returns a mount below the directory, if one is locked in this user namespace. The table does not
/// show locks, but the kernel refuses to clone the directory without its locked mounts. Returns
/// `None` without open_tree(2).
pub(crate) fn locked_below(fd: BorrowedFd<'_>, table: &[MountEntry]) -> Option<PathBuf> {
    let features = Features::get();
    if features.initial_user_namespace || !features.new_mount_api {
        return None;
    }
    let (here, id) = (procfs::path_of(fd).ok()?, MountinfoId::of(fd).ok()?);
    let mut below = table.iter().filter(|entry| entry.parent == id && entry.target.starts_with(&here));
    let below = below.find(|entry| entry.target != here)?;
    let refused = Tree::clone_of(fd, "", false).err()?;
    (refused.raw_errno() == Some(Errno::INVAL)).then(|| below.target.clone())
}

/// Names an option that is reserved to root in the initial user namespace.
fn privileged_option(error: Error, overlay: &Overlay) -> Error {
    let of_root = ["metacopy", "redirect_dir", "verity", "nfs_export", "xino"];
    match overlay.options.iter().find(|option| of_root.iter().any(|name| option.key == *name)) {
        Some(option) => error
            .with_kind(ErrorKind::Permission)
            .with_argument(option.text())
            .with_reason("overlay refuses this word in a user namespace")
            .with_hint("leave it out, or mount as real root"),
        None => error,
    }
}

/// Explains why the kernel cannot use the work directory and mounts read-only.
fn work(error: Error, overlay: &Overlay, dir: BorrowedFd<'_>) -> Error {
    let written = [("upperdir", &overlay.upper), ("workdir", &overlay.work)];
    let found = written.into_iter().find_map(|(name, layer)| {
        let fd = open_layer(layer.as_ref()?, dir)?;
        let stat = rustix::fs::fstat(&fd).ok()?;
        if is_read_only(fd.as_fd()) {
            return Some(format!("{name} is on a read-only mount"));
        }
        let ids = [("user", stat.st_uid, "uid"), ("group", stat.st_gid, "gid")];
        let unmapped = ids.into_iter().find(|(_, id, file)| is_unmapped(*id, file));
        if let Some((what, _, _)) = unmapped {
            return Some(format!("{name} belongs to a {what} who is not mapped in this user namespace"));
        }
        if !has_attributes(&fd) {
            return Some(format!("the file system of {name} has no extended attributes"));
        }
        (has_types(&fd) == Some(false)).then(|| {
            format!("the file system of {name} does not tell the types of directory entries (d_type)")
        })
    });
    match found {
        Some(reason) => {
            error.with_reason(format!("{reason}: the overlay would have been read-only without a word"))
        }
        None => error,
    }
}

/// Predicts a refusal by the kernel, or a read-only result, from the file systems of the layers.
pub(crate) fn predict(overlay: &Overlay, dir: BorrowedFd<'_>) -> Option<Error> {
    let error = Error::sys(Operation::Create, Syscall::Fsconfig, Errno::INVAL).with_argument("overlay");
    let error = refused(error, overlay, dir);
    if error.kind() != ErrorKind::System {
        return Some(error);
    }
    let fd = open_layer(overlay.work.as_ref()?, dir)?;
    rustix::fs::accessat(&fd, c".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).err()?;
    let error = Error::new(ErrorKind::WorkUnusable, Operation::CheckLayer, "it can't be written to");
    Some(work(overlay.name_layer(error, LayerRef::Work), overlay, dir))
}

/// Reports whether the id is the overflow id, which represents unmapped ids.
fn is_unmapped(id: u32, which: &str) -> bool {
    let overflow = number(format!("/proc/sys/kernel/overflow{which}"));
    !Features::get().initial_user_namespace && overflow == Some(u64::from(id))
}

fn has_attributes(fd: &OwnedFd) -> bool {
    let Ok(name) = procfs::descriptor_name(fd.as_fd()) else { return true };
    let asked = rustix::fs::getxattr(name, c"user.overlay.opaque", &mut [0u8; 16]);
    asked != Err(Errno::OPNOTSUPP)
}

/// Reports whether directory entries have types (d_type). Returns `None` if the directory cannot be
/// read or is empty.
fn has_types(fd: &OwnedFd) -> Option<bool> {
    if !is_dir(fd.as_fd()).ok()? {
        return None;
    }
    let opened = rustix::fs::openat(fd, c".", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut types = rustix::fs::Dir::new(opened).ok()?.flatten().map(|entry| entry.file_type());
    types.next().map(|first| first != rustix::fs::FileType::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_of_each_spelling_are_found() {
        let options =
            OsStr::new("rw,lowerdir+=/a,datadir+=/d,lowerdir=/b:/c::/e,upperdir=/u,workdir=/w,uuid=on");
        let want = ["/a", "/d", "/b", "/c", "/e", "/u"].map(PathBuf::from);
        assert_eq!(layers_of(options), want);
    }
}
