// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An overlay that failed without a word: what its layers lie on.

use crate::error::{Error, ErrorKind, LayerRef, Operation, Syscall, escape};
use crate::kinds::overlay::layer_files::{open_layer, roles, with_layer};
use crate::kinds::overlay::{Layer, Overlay};
use crate::mountinfo;
use crate::mountinfo::MountEntry;
use crate::mountinfo::id::mountinfo_id;
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

/// `FILESYSTEM_MAX_STACK_DEPTH`, <linux/fs.h>: the overlay itself is one.
const MOST_DEEP: u32 = 2;

/// A layer with its name in errors, and where it is as far as it can be opened.
struct Look<'a> {
    role: LayerRef,
    layer: &'a Layer,
    fd: Option<OwnedFd>,
}

impl<'a> Look<'a> {
    fn all(overlay: &'a Overlay, dir: BorrowedFd<'_>) -> Vec<Self> {
        roles(overlay).map(|(role, layer)| Self { role, layer, fd: open_layer(layer, dir) }).collect()
    }

    fn place(self, error: Error, operation: Operation) -> Error {
        with_layer(error.with_operation(operation).with_layer(self.role), Some(self.layer))
    }
}

/// Why the overlay was refused, or what is wrong with the work directory that the kernel could not use.
pub(crate) fn explain(error: Error, overlay: &Overlay, dir: BorrowedFd<'_>) -> Error {
    let is_create = matches!(error.call(), Some(Syscall::Fsconfig | Syscall::Mount | Syscall::Fsmount));
    let is_inside = !Features::get().initial_user_namespace;
    if overlay.lowers.is_empty() && error.kind() == ErrorKind::OptionConflict {
        return without_lowers(error, overlay);
    }
    match error.raw_errno() {
        Some(Errno::INVAL) if is_create && error.kernel().is_empty() && !error.has_reason() => {
            let error = refused(error, overlay, dir);
            let error = if error.has_reason() { error } else { unknown_word(error, overlay) };
            if is_inside && !error.has_reason() { privileged_word(error, overlay) } else { error }
        }
        Some(Errno::STALE) if is_create => {
            let error = error
                .with_kind(ErrorKind::UpperMismatch)
                .with_operation(Operation::CheckLayer)
                .with_layer(LayerRef::Upper);
            let error = error.with_reason("with index=on it belongs to other lower layers than these");
            with_layer(error, overlay.upper.as_ref())
                .with_hint("mount it with the layers it was first mounted with, or with index=off")
        }
        // Newer kernels say EINVAL.
        Some(Errno::ROFS) if is_create && !error.has_reason() => refused(error, overlay, dir),
        Some(Errno::PERM) if is_create && is_inside => privileged_word(error, overlay),
        None if error.kind() == ErrorKind::WorkUnusable => work(error, overlay, dir),
        _ => error,
    }
}

/// A word that is almost `lowerdir`.
fn without_lowers(error: Error, overlay: &Overlay) -> Error {
    let keys = overlay.words.iter().filter_map(|word| word.key.to_str());
    let near = keys.into_iter().find(|key| crate::diagnose::spelling::nearest(key, ["lowerdir"]).is_some());
    match near {
        Some(key) => error
            .with_hint(format!("did you mean lowerdir? `{}` is none of its words", escape(key.as_bytes()))),
        None => error,
    }
}

/// Before Linux 6.5 overlay reads its words at the end, and tells the kernel's log alone which one it does not know.
fn unknown_word(error: Error, overlay: &Overlay) -> Error {
    match crate::diagnose::parameters::unknown("overlay", &overlay.words) {
        Some(word) => error
            .with_kind(ErrorKind::UnknownOption)
            .with_operation(Operation::SetOption)
            .with_argument(word.text())
            .with_reason("overlay of this kernel does not know it"),
        None => error,
    }
}

/// EINVAL at the end, with an empty log.
fn refused(error: Error, overlay: &Overlay, dir: BorrowedFd<'_>) -> Error {
    let layers = Look::all(overlay, dir);
    let table = mountinfo::read().unwrap_or_default();
    let by_id: HashMap<u64, &MountEntry> = table.iter().map(|entry| (entry.id, entry)).collect();
    let mut looks = layers.into_iter();
    // An upper that lies on a read-only mount has a word in newer logs.
    let found = looks.find_map(|look| {
        let fd = look.fd.as_ref()?;
        if look.role.is_upper() && is_read_only(fd.as_fd()) {
            return Some((
                look,
                ErrorKind::UpperUnusable,
                String::from("it is on a read-only mount"),
                READ_ONLY_HINT,
            ));
        }
        if mount_of(fd.as_fd(), &by_id).is_some_and(|mount| mount.fstype == "proc") {
            let reason = String::from("the kernel takes no directory of a proc file system for a layer");
            return Some((look, ErrorKind::TooDeep, reason, DEEP_HINT));
        }
        if depth_of(fd.as_fd(), &by_id, MOST_DEEP) >= MOST_DEEP {
            let reason = String::from(
                "it lies on an overlay whose layers are overlays: the kernel stacks two at most",
            );
            return Some((look, ErrorKind::TooDeep, reason, DEEP_HINT));
        }
        let below = locked_below(fd.as_fd(), &table)?;
        let below = escape(below.as_os_str().as_bytes());
        let reason = format!("{below} is mounted below it, which a layer can't have in a user namespace");
        Some((look, ErrorKind::Locked, reason, LOCKED_HINT))
    });
    match found {
        Some((look, kind, reason, hint)) => {
            look.place(error.with_kind(kind).with_reason(reason), Operation::CheckLayer).with_hint(hint)
        }
        None => error,
    }
}

const READ_ONLY_HINT: &str = "give an upperdir that can be written to, or none for a read-only overlay";

const DEEP_HINT: &str =
    "give the inner overlay's own layers, or put these layers on a volume that is neither overlay nor proc";

const LOCKED_HINT: &str =
    "give directories that have no mounts below, each as a layer of an overlay of its own";

fn is_read_only(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fstatvfs(fd).is_ok_and(|stat| stat.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// How deep the file system is stacked that the descriptor is on: 0 for a plain one, 1 for an overlay of plain ones. What lies
/// behind paths that lead nowhere now counts as plain.
fn depth_of(fd: BorrowedFd<'_>, table: &HashMap<u64, &MountEntry>, left: u32) -> u32 {
    let Some(mount) = mount_of(fd, table) else { return 0 };
    // An erofs that is read straight from a file is stacked on that file's.
    if mount.fstype == "erofs" && mount.device.0 == 0 && left > 0 {
        return 1 + open_path(Path::new(&mount.source)).map_or(0, |fd| depth_of(fd.as_fd(), table, left - 1));
    }
    if mount.fstype != "overlay" || left == 0 {
        return u32::from(mount.fstype == "overlay");
    }
    let below = layers_of(&mount.super_options).into_iter().filter_map(|path| open_path(&path));
    1 + below.map(|fd| depth_of(fd.as_fd(), table, left - 1)).max().unwrap_or(0)
}

fn mount_of<'t>(fd: BorrowedFd<'_>, table: &HashMap<u64, &'t MountEntry>) -> Option<&'t MountEntry> {
    table.get(&mountinfo_id(fd).ok()?).copied()
}

fn open_path(path: &Path) -> Option<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    path.is_absolute().then(|| rustix::fs::openat(CWD, path, flags, Mode::empty()).ok()).flatten()
}

/// The layers in an overlay's options, as the mount table has them.
fn layers_of(options: &OsStr) -> Vec<PathBuf> {
    let mut layers = Vec::new();
    for word in options.as_bytes().split(|byte| *byte == b',') {
        let Some(at) = word.iter().position(|byte| *byte == b'=') else { continue };
        let (key, value) = (&word[..at], &word[at + 1..]);
        if [&b"lowerdir"[..], b"lowerdir+", b"datadir+", b"upperdir"].contains(&key) {
            let parts = value.split(|byte| *byte == b':').filter(|part| !part.is_empty());
            layers.extend(parts.map(|part| PathBuf::from(OsStr::from_bytes(part))));
        }
    }
    layers
}

/// A mount below the directory, where one is locked in this user namespace. Which ones are the table does not show: the
/// kernel is asked for a copy without them, which is dropped. Nobody can be asked without open_tree(2).
pub(crate) fn locked_below(fd: BorrowedFd<'_>, table: &[MountEntry]) -> Option<PathBuf> {
    let features = Features::get();
    if features.initial_user_namespace || !features.new_mount_api {
        return None;
    }
    let below = mount_below(fd, table)?;
    let refused = Tree::clone_of(fd, "", false).err()?;
    (refused.raw_errno() == Some(Errno::INVAL)).then_some(below)
}

/// A mount that lies below the directory.
fn mount_below(fd: BorrowedFd<'_>, table: &[MountEntry]) -> Option<PathBuf> {
    let here = procfs::path_of(fd).ok()?;
    let id = mountinfo_id(fd).ok()?;
    let below =
        |entry: &&MountEntry| entry.parent == id && entry.target != here && entry.target.starts_with(&here);
    table.iter().find(below).map(|entry| entry.target.clone())
}

/// Words that the kernel keeps for real root.
fn privileged_word(error: Error, overlay: &Overlay) -> Error {
    let of_root = ["metacopy", "redirect_dir", "verity", "nfs_export", "xino"];
    let word = overlay.words.iter().find(|word| of_root.iter().any(|name| word.key == *name));
    match word {
        Some(word) => error
            .with_kind(ErrorKind::Permission)
            .with_argument(word.text())
            .with_reason("overlay refuses this word in a user namespace")
            .with_hint("leave it out, or mount as real root"),
        _ => error,
    }
}

/// What keeps the kernel from using the work directory: it mounts read-only then, and says nothing.
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

/// What looking at the layers tells of an overlay that was not tried yet: the kernel's refusal, or a read-only outcome.
pub(crate) fn predict(overlay: &Overlay, dir: BorrowedFd<'_>) -> Option<Error> {
    let guess = refused(
        Error::sys(Operation::Create, Syscall::Fsconfig, Errno::INVAL).with_argument("overlay"),
        overlay,
        dir,
    );
    if guess.kind() != ErrorKind::System {
        return Some(guess);
    }
    for (role, layer) in [(LayerRef::Upper, &overlay.upper), (LayerRef::Work, &overlay.work)] {
        let Some(layer) = layer else { continue };
        let Some(fd) = open_layer(layer, dir) else { continue };
        let may_write = rustix::fs::accessat(&fd, c".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS);
        if role.is_work() && may_write.is_err() {
            let error = Error::new(ErrorKind::WorkUnusable, Operation::CheckLayer, "it can't be written to")
                .with_layer(role);
            return Some(work(with_layer(error, Some(layer)), overlay, dir));
        }
    }
    None
}

/// Ids that are not mapped show as the overflow id.
fn is_unmapped(id: u32, which: &str) -> bool {
    let overflow = crate::diagnose::limits::number(format!("/proc/sys/kernel/overflow{which}"));
    !Features::get().initial_user_namespace && overflow == Some(u64::from(id))
}

fn has_attributes(fd: &OwnedFd) -> bool {
    let Ok(name) = procfs::descriptor_name(fd.as_fd()) else { return true };
    let asked = rustix::fs::getxattr(name, c"user.overlay.opaque", &mut [0u8; 16]);
    asked != Err(Errno::OPNOTSUPP)
}

/// Whether the entries of a directory come with their types; `None` for one that has only itself.
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
