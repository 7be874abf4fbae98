// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Detects upper directories in use by an overlay: the kernel checks this only with `index=on`.

use crate::error::{Error, ErrorKind, LayerRef, Operation, Result, Syscall, escape};
use crate::kinds::overlay::common::open_directory;
use crate::kinds::overlay::definition::{Layer, Overlay};
use crate::kinds::overlay::ephemeral_uppers::EphemeralUppers;
use crate::kinds::overlay::layer_files::file_id;
use crate::kinds::overlay::params::set_layer_as;
use crate::mountinfo;
use crate::mountinfo::MountEntry;
use crate::strategy::{Strategies, UpperUsed};
use crate::sys::procfs::name_for;
use crate::vfs::bytes::c_string;
use crate::vfs::context::FsContext;
use crate::vfs::copied_namespace::in_copied_namespace_from;
use crate::vfs::features::Features;
use crate::vfs::hidden_place;
use crate::vfs::hidden_place::HiddenPlace;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::MountFlags;
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Refuses an upper or work directory of a mounted overlay. The kernel would mount two overlays
/// with one upper, and they would corrupt each other.
///
/// Probing the kernel costs as much as a mount, so only directories that an overlay has used are
/// probed. Since Linux 6.6 an overlay stores its uuid on its upper directory, unless mounted with
/// `uuid=off` or `uuid=null`; before, each directory counts as used. `work_was_used` means that the
/// work directory contains an overlay's files. A prediction searches the mount table instead, which
/// shows only the overlays of this namespace.
///
/// # Errors
/// [`ErrorKind::UpperInUse`].
pub(crate) fn check_not_in_use(
    overlay: &Overlay,
    upper: BorrowedFd<'_>,
    work: BorrowedFd<'_>,
    work_was_used: bool,
    features: &Features,
    is_prediction: bool,
) -> Result<()> {
    if !is_prediction && overlay.value_of("index").is_some_and(|value| value == "on") {
        return Ok(()); // the kernel checks by itself
    }
    let strategy = features.best().unwrap_or(UpperUsed::WorkDirectory).record();
    let upper_was_used =
        work_was_used || strategy == UpperUsed::WorkDirectory || has_uuid(overlay, upper, features);
    let written = [(LayerRef::Upper, upper, upper_was_used), (LayerRef::Work, work, work_was_used)];
    let used: Vec<_> = written.into_iter().filter(|(.., was_used)| *was_used).collect();
    let directories: Vec<_> = used.iter().map(|(_, directory, _)| *directory).collect();
    // Mostly none is in use, and one probe shows that.
    if !is_prediction && !is_one_in_use(&directories, features) {
        return Ok(());
    }
    for (role, directory, _) in used {
        let point = in_use_here(directory);
        if point.is_some() || !is_prediction && is_one_in_use(&[directory], features) {
            return Err(in_use(overlay, role, point));
        }
    }
    Ok(())
}

/// Returns the error for an upper or work directory in use; `point` is the mount point of the
/// overlay, if visible.
pub(crate) fn in_use(overlay: &Overlay, role: LayerRef, point: Option<PathBuf>) -> Error {
    let reason = match point {
        Some(point) => {
            format!("is in use by the overlay mounted on {}", escape(point.as_os_str().as_bytes()))
        }
        None => String::from("is in use as upperdir or workdir of another overlay"),
    };
    let error = Error::sys(Operation::CheckLayer, Syscall::Fsconfig, Errno::BUSY)
        .with_kind(ErrorKind::UpperInUse)
        .with_reason(reason)
        .with_hint(
            "unmount that overlay first: two overlays with one upperdir or workdir corrupt each other",
        );
    overlay.name_layer(error, role)
}

/// Returns the mount point of the overlay with this upperdir or workdir, if it is in this
/// namespace's mount table.
pub(crate) fn in_use_here(directory: BorrowedFd<'_>) -> Option<PathBuf> {
    let table = mountinfo::read().ok()?;
    let own = file_id(directory)?;
    // Layers passed as descriptors appear with paths relative to the roots of their mounts.
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
        let mut options = entry.super_options.as_bytes().split(|byte| *byte == b',');
        entry.fstype == "overlay"
            && options.any(|option| {
                let path = option.strip_prefix(b"upperdir=").or(option.strip_prefix(b"workdir="));
                path.is_some_and(is_same)
            })
    };
    table.iter().find(has).map(|entry| entry.target.clone())
}

/// Reports whether an overlay stored its uuid on the directory. Also true if it cannot be opened.
fn has_uuid(overlay: &Overlay, upper: BorrowedFd<'_>, features: &Features) -> bool {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(dir) = rustix::fs::openat(upper, ".", flags, Mode::empty()) else { return true };
    let has = |name: &CStr| rustix::fs::fgetxattr(&dir, name, &mut [0u8; 16]).is_ok();
    let is_user = !features.initial_user_namespace || overlay.has_option("userxattr");
    (!is_user && has(c"trusted.overlay.uuid")) || has(c"user.overlay.uuid")
}

/// Reports whether an overlay uses one of the directories as its upper or work directory.
fn is_one_in_use(directories: &[BorrowedFd<'_>], features: &Features) -> bool {
    match features.initial_user_namespace && features.overlay_detached_layers {
        true => !directories.is_empty() && is_in_use(directories, features),
        false => directories.iter().any(|directory| is_in_use(&[*directory], features)),
    }
}

/// Probes the kernel with an overlay that has the directories as its **lower** layers, and its own
/// upper with `index=on`. The kernel refuses a layer in use with `EBUSY` (`ovl_get_layers`,
/// fs/overlayfs/super.c). The probe does not write to the directories, and the kernel logs nothing
/// unless one is in use.
///
/// In a user namespace the kernel drops `index=on` before it checks the lowers. There the overlay
/// has the one directory as its upper **and** work directory: it cannot be mounted, but the kernel
/// first checks whether the upper is in use (`ovl_get_upper`). It logs one line each time.
///
/// Before 6.15 the kernel refuses layers in a detached tree. The overlay, of one directory, is then
/// made in a copied namespace where its upper is mounted, with mount(2) if a filter forbids
/// fsopen(2). If a filter forbids unshare(2) too, the result is false.
fn is_in_use(directories: &[BorrowedFd<'_>], features: &Features) -> bool {
    let directory = directories.first().copied().unwrap_or(CWD);
    let probe = || match (features.new_mount_api, features.overlay_detached_layers) {
        (false, _) => in_copied_namespace_from(directory, |here| probe_by_mount(here, features)),
        (true, true) => probe(&EphemeralUppers::new(features, |_| Ok(None))?, directories, features),
        (true, false) => in_copied_namespace_from(directory, |here| {
            let uppers = EphemeralUppers::new(features, |root| HiddenPlace::with(root).map(|()| None))?;
            probe(&uppers, &[here], features)
        }),
    };
    // The mount itself reports any other failure.
    probe().is_err_and(|error| error.raw_errno() == Some(Errno::BUSY))
}

/// Returns the lower, upper and work directory of the probe.
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

fn probe(uppers: &EphemeralUppers, directories: &[BorrowedFd<'_>], features: &Features) -> Result<()> {
    let (Some(directory), [_, more @ ..]) = (directories.first(), directories) else { return Ok(()) };
    let scratch = uppers.give(CWD, Overlay::new())?;
    let (Some(Layer::Fd(own)), Some(Layer::Fd(work))) = (&scratch.upper, &scratch.work) else {
        return Ok(());
    };
    let mut context = FsContext::open("overlay")?;
    let (own, work) = (own.as_fd(), work.as_fd());
    let lower = if features.overlay_append_layers { "lowerdir+" } else { "lowerdir" };
    let layers = [lower, "upperdir", "workdir"].into_iter().zip(layers_of(features, *directory, own, work));
    for (key, fd) in layers.chain(more.iter().map(|more| (lower, *more))) {
        set_layer_as(&mut context, key, fd, None, features)?;
    }
    context.set_string("index", "on")?;
    context.create().map(drop)
}

fn probe_by_mount(directory: BorrowedFd<'_>, features: &Features) -> Result<()> {
    let name = |fd| name_for(Operation::AskUpperInUse, fd);
    let failed = |call| move |errno| Error::sys(Operation::AskUpperInUse, call, errno);
    let place = hidden_place::directory()?;
    let none = MountFlags::empty();
    rustix::mount::mount("none", name(place.as_fd())?, "tmpfs", none, Some(c"mode=0700"))
        .map_err(failed(Syscall::Mount))?;
    let scratch = place.seen_now()?;
    let make = |name: &str| {
        rustix::fs::mkdirat(&scratch, name, Mode::RWXU).map_err(failed(Syscall::Mkdirat))?;
        open_directory(&scratch, name).map_err(failed(Syscall::Openat))
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
