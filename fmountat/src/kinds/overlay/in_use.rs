// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether an upper directory is in use by another overlay, which the kernel itself only tells with `index=on`.

use crate::error::{Error, ErrorKind, LayerRef, Operation, Result, Syscall, escape};
use crate::kinds::overlay::definition::{Layer, Overlay};
use crate::kinds::overlay::ephemeral_uppers::EphemeralUppers;
use crate::kinds::overlay::layer_files::{Written, file, with_layer};
use crate::kinds::overlay::params::{Run, set_layer_as};
use crate::mountinfo;
use crate::mountinfo::MountEntry;
use crate::strategy::{Strategies, UpperUsed};
use crate::sys::procfs::name_for;
use crate::vfs::bytes::c_string;
use crate::vfs::context::FsContext;
use crate::vfs::features::Features;
use crate::vfs::hidden;
use crate::vfs::hidden::HiddenPlace;
use crate::vfs::private_namespace::in_private_namespace_from;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::MountFlags;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Fails if upper or work are those of a mounted overlay. Two overlays with one upper mount happily and corrupt each
/// other.
///
/// The question costs as much as a mount, so it is only asked of a directory that was ever used: since Linux 6.6 an
/// overlay leaves its uuid on its upper directory, unless it was mounted with `uuid=off` or `uuid=null`; before, each counts
/// as used. `work_was_used` says that there are an overlay's left-overs in the work directory. A prediction looks at the
/// mount table instead, which shows the overlays of this namespace.
pub(crate) fn check_not_in_use(
    overlay: &Overlay,
    upper: &Written<'_>,
    work: &Written<'_>,
    work_was_used: bool,
    features: &Features,
    run: Run,
) -> Result<()> {
    let is_made = run == Run::Execute;
    if is_made && overlay.has_index_on() {
        return Ok(()); // with index=on the kernel answers by itself
    }
    let way = features.best().unwrap_or(UpperUsed::WorkDirectory).record();
    let upper_was_used =
        work_was_used || way == UpperUsed::WorkDirectory || has_uuid(overlay, upper, features);
    for (role, directory, was_used) in
        [(LayerRef::Upper, upper, upper_was_used), (LayerRef::Work, work, work_was_used)]
    {
        if !was_used || is_made && !is_in_use(directory, features) {
            continue;
        }
        let point = directory.open(OFlags::PATH).ok().and_then(|fd| in_use_here(fd.as_fd()));
        if is_made || point.is_some() {
            return Err(in_use(overlay, role, point));
        }
    }
    Ok(())
}

/// The error for an upper or work directory that an overlay has, which is mounted there if that can be seen.
pub(crate) fn in_use(overlay: &Overlay, role: LayerRef, point: Option<PathBuf>) -> Error {
    let reason = match point {
        Some(point) => format!("it is in use by the overlay on {}", escape(point.as_os_str().as_bytes())),
        None => String::from("it is in use as upperdir or workdir of another overlay"),
    };
    let error = Error::sys(Operation::CheckLayer, Syscall::Fsconfig, Errno::BUSY)
        .with_layer(role)
        .with_kind(ErrorKind::UpperInUse)
        .with_reason(reason)
        .with_hint("unmount that overlay first: two on one upperdir or workdir corrupt each other");
    with_layer(error, if role.is_work() { overlay.work.as_ref() } else { overlay.upper.as_ref() })
}

/// The mount of this namespace's table that has the directory as its upperdir or workdir. A look that changes nothing, and
/// sees this namespace alone.
pub(crate) fn in_use_here(directory: BorrowedFd<'_>) -> Option<PathBuf> {
    let table = mountinfo::read().ok()?;
    let own = file(directory)?;
    // An overlay whose layers were given as descriptors shows paths from their mounts' roots: from which ones, it does not.
    let device = (rustix::fs::major(own.0), rustix::fs::minor(own.0));
    let places = table.iter().filter(|entry| entry.device == device);
    let points: Vec<&Path> = places.map(|entry| &*entry.target).collect();
    let is_same = |path: &[u8]| {
        let path = Path::new(OsStr::from_bytes(path));
        let inside = path.strip_prefix("/").unwrap_or(path);
        let found = |path: &Path| {
            let stat = if path.is_absolute() { rustix::fs::stat(path).ok() } else { None };
            stat.map(|stat| (stat.st_dev, stat.st_ino)) == Some(own)
        };
        found(path) || points.iter().any(|point| found(&point.join(inside)))
    };
    let has = |entry: &&MountEntry| {
        let words = entry.super_options.as_bytes().split(|byte| *byte == b',');
        let written =
            words.filter_map(|word| word.strip_prefix(b"upperdir=").or(word.strip_prefix(b"workdir=")));
        entry.fstype == "overlay" && written.into_iter().any(is_same)
    };
    table.iter().find(has).map(|entry| entry.target.clone())
}

fn has_uuid(overlay: &Overlay, upper: &Written<'_>, features: &Features) -> bool {
    let dir = match upper.open(OFlags::RDONLY) {
        Ok(dir) => dir,
        Err(Errno::NOENT | Errno::NOTDIR) => return false, // for the mount to report
        Err(_) => return true,                             // one that can't be read may be anything
    };
    let has = |name: &std::ffi::CStr| rustix::fs::fgetxattr(&dir, name, &mut [0u8; 16]).is_ok();
    let is_user = !features.initial_user_namespace || overlay.has_word("userxattr");
    (!is_user && has(c"trusted.overlay.uuid")) || has(c"user.overlay.uuid")
}

/// Asks the kernel by an overlay that has the directory as its **lower** layer, and an upper of its own with `index=on`:
/// then it refuses, with `EBUSY`, a layer that is in use (`ovl_get_layers`, fs/overlayfs/super.c). Nothing is written to
/// the directory, and nothing to the kernel's log unless it is in use.
///
/// In a user namespace the kernel takes `index=on` back before it looks at the lowers. There the question is an overlay
/// that has the directory as its upper **and** work directory: that can't be mounted, but whether the upper is in use
/// comes first (`ovl_get_upper`). Each such question leaves a line in the kernel's log.
///
/// Before 6.15 the kernel takes no layer that lies in a detached tree: the overlay of the question is then made in a private
/// namespace, where its upper is mounted; and by mount(2) where a filter forbids fsopen(2). Where a filter forbids unshare(2)
/// too, nobody can be asked.
fn is_in_use(directory: &Written<'_>, features: &Features) -> bool {
    let asked = || -> Result<()> {
        let directory = directory
            .open(OFlags::PATH)
            .map_err(|e| Error::sys(Operation::AskUpperInUse, Syscall::Openat, e))?;
        if !features.new_mount_api {
            return in_private_namespace_from(directory.as_fd(), |here| ask_by_mount(here, features));
        }
        if features.overlay_detached_layers {
            return ask(&EphemeralUppers::new(features, |_| Ok(None))?, directory.as_fd(), features);
        }
        in_private_namespace_from(directory.as_fd(), |here| {
            let uppers = EphemeralUppers::new(features, |root| HiddenPlace::with(root).map(|()| None))?;
            ask(&uppers, here, features)
        })
    };
    // Any other failure is the question's own; the mount itself will tell what is wrong.
    asked().is_err_and(|error| error.raw_errno() == Some(Errno::BUSY))
}

/// Lower, upper and work directory of the question.
fn layers_of<'f>(
    features: &Features,
    directory: BorrowedFd<'f>,
    own: BorrowedFd<'f>,
    work: BorrowedFd<'f>,
) -> [BorrowedFd<'f>; 3] {
    match features.initial_user_namespace {
        true => [directory, own, work],
        false => [own, directory, directory],
    }
}

fn ask(uppers: &EphemeralUppers, directory: BorrowedFd<'_>, features: &Features) -> Result<()> {
    let scratch = uppers.give(directory, Overlay::new())?;
    let (Some(Layer::Fd(own)), Some(Layer::Fd(work))) = (&scratch.upper, &scratch.work) else {
        return Ok(());
    };
    let mut context = FsContext::open("overlay")?;
    let (own, work) = (own.as_fd(), work.as_fd());
    let lower = if features.overlay_layer_words { "lowerdir+" } else { "lowerdir" };
    let layers = layers_of(features, directory, own, work);
    for (key, fd) in [lower, "upperdir", "workdir"].into_iter().zip(layers) {
        set_layer_as(&mut context, key, fd, features)?;
    }
    context.set_string("index", "on")?;
    context.create().map(drop)
}

fn ask_by_mount(directory: BorrowedFd<'_>, features: &Features) -> Result<()> {
    let name = |fd| name_for(Operation::AskUpperInUse, fd);
    let failed = |call| move |errno| Error::sys(Operation::AskUpperInUse, call, errno);
    let place = hidden::directory()?;
    let none = MountFlags::empty();
    rustix::mount::mount("none", name(place.as_fd())?, "tmpfs", none, Some(c"mode=0700"))
        .map_err(failed(Syscall::Mount))?;
    let scratch = place.seen_now()?;
    let make = |name: &str| {
        rustix::fs::mkdirat(&scratch, name, Mode::RWXU).map_err(failed(Syscall::Mkdirat))?;
        rustix::fs::openat(&scratch, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .map_err(failed(Syscall::Openat))
    };
    let (own, work, on) = (make("upper")?, make("work")?, make("on")?);
    let [lower, upper, work] = layers_of(features, directory, own.as_fd(), work.as_fd());
    let (lower, upper, work) = (name(lower)?, name(upper)?, name(work)?);
    let (lower, upper, work) = (lower.display(), upper.display(), work.display());
    let layers = c_string(
        Operation::ReadOptions,
        format!("lowerdir={lower},upperdir={upper},workdir={work},index=on"),
    )?;
    rustix::mount::mount("overlay", name(on.as_fd())?, "overlay", none, Some(layers.as_c_str()))
        .map_err(failed(Syscall::Mount))
}
