// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Explains failures and read-only results of overlays that the kernel does not explain.

use crate::error::{Error, ErrorKind, LayerRef, Operation, Result, Syscall};
use crate::kinds::overlay::conflict;
use crate::kinds::overlay::definition::{Layer, Overlay};
use crate::kinds::overlay::in_use::{check_not_in_use, in_use, in_use_here};
use crate::kinds::overlay::layer_files::{Opened, fd_of, lies_in};
use crate::mountinfo::id::MountId;
use crate::vfs::features::Features;
use crate::vfs::identity::is_same_file;
use rustix::fd::BorrowedFd;
use rustix::fs::{Dir, Mode, OFlags, StatVfsMountFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

impl Overlay {
    /// Checks upper and work before the kernel writes to them. Checks nothing unless both are open.
    ///
    /// # Errors
    /// [`ErrorKind::WorkUnusable`], [`ErrorKind::UpperWork`], [`ErrorKind::UpperInUse`].
    pub(crate) fn check_written(
        &self,
        upper: Option<BorrowedFd<'_>>,
        work: Option<BorrowedFd<'_>>,
        features: &Features,
        is_prediction: bool,
    ) -> Result<()> {
        let (Some(upper), Some(work)) = (upper, work) else { return Ok(()) };
        let was_used = check_work(self, upper, work)?;
        check_not_in_use(self, upper, work, was_used, features, is_prediction)
    }
}

/// Refuses foreign files in the directory `work` of the work directory, since the kernel
/// **deletes** them. Overlay names its temporary files `#` and a number; `incompat` marks a
/// volatile overlay. Reports whether an overlay has used the directory before.
fn check_work(overlay: &Overlay, upper: BorrowedFd<'_>, work: BorrowedFd<'_>) -> Result<bool> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let dir = rustix::fs::openat(work, c"work", flags, Mode::empty()).and_then(Dir::new);
    // The mount itself reports an unreadable directory.
    let Ok(names) = dir.and_then(|dir| dir.collect::<Result<Vec<_>, _>>()) else { return Ok(false) };
    let is_foreign = |name: &&[u8]| !name.starts_with(b"#") && !matches!(*name, b"." | b".." | b"incompat");
    let Some(name) = names.iter().map(|entry| entry.file_name().to_bytes()).find(is_foreign) else {
        return Ok(true);
    };
    let error = Error::new(ErrorKind::UpperWork, Operation::CheckLayer, "");
    if let Some(error) = of_upper_and_work(&error, overlay, upper, work) {
        return Err(error);
    }
    let name = Path::new("work").join(OsStr::from_bytes(name));
    let path = match &overlay.work {
        Some(Layer::Path(work)) => work.join(name),
        _ => name,
    };
    let reason = "was not created by overlay, and the kernel would delete it";
    Err(Error::new(ErrorKind::WorkUnusable, Operation::CheckLayer, reason)
        .with_layer(LayerRef::Work)
        .with_argument(path)
        .with_hint("use an empty directory on the same file system as upperdir"))
}

/// Refuses an overlay that the kernel mounted read-only because it cannot use the work directory.
/// Only the flags of the mount show this.
///
/// # Errors
/// [`ErrorKind::WorkUnusable`]; the errno of fstatfs(2).
pub(crate) fn check_writable(mounted: BorrowedFd<'_>, overlay: &Overlay) -> Result<()> {
    let stat = rustix::fs::fstatvfs(mounted)
        .map_err(|e| Error::sys(Operation::LookAtOverlay, Syscall::Fstatfs, e))?;
    if !stat.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Ok(());
    }
    let reason = "the kernel can't write to it, and would silently mount the overlay read-only";
    let error = Error::new(ErrorKind::WorkUnusable, Operation::CheckLayer, reason).with_hint(
        "use an upperdir and workdir owned by mapped ids, on a writable file system with d_type and \
         extended attributes",
    );
    Err(overlay.name_layer(error, LayerRef::Work))
}

/// Explains a failed FSCONFIG_CMD_CREATE if the kernel's log has no reason.
pub(crate) fn explain(error: Error, overlay: &Overlay, layers: &[(LayerRef, Opened)]) -> Error {
    let (upper, work) = (fd_of(layers, LayerRef::Upper), fd_of(layers, LayerRef::Work));
    if let (Some(upper), Some(work)) = (upper, work) {
        if let Some(explained) = of_upper_and_work(&error, overlay, upper, work) {
            return explained;
        }
        let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        if rustix::fs::openat(work, c"work/incompat/volatile", flags, Mode::empty()).is_ok() {
            let error = error
                .with_kind(ErrorKind::WorkUnusable)
                .with_operation(Operation::CheckLayer)
                .with_reason(
                    "was used by a volatile overlay, which may have lost writes: work/incompat/volatile \
                     exists",
                )
                .with_hint("delete upperdir and workdir, or delete that directory if the data is intact");
            return overlay.name_layer(error, LayerRef::Work);
        }
    }
    if !error.kernel().is_empty() {
        return error;
    }
    match error.raw_errno() {
        Some(Errno::LOOP) => {
            let general = match overlay.work {
                Some(_) => "a layer is workdir, or is inside it",
                None => "a layer is given twice, or is inside another",
            };
            let (reason, layer) =
                conflict::of_layers(layers, overlay).unwrap_or_else(|| (general.to_owned(), None));
            let error = error
                .with_kind(ErrorKind::OptionConflict)
                .with_operation(Operation::CheckLayers)
                .with_reason(reason);
            match layer {
                Some(Layer::Path(path)) => error.with_argument(path),
                _ => error,
            }
        }
        // The kernel does not report which of the two is busy.
        Some(Errno::BUSY) => [(LayerRef::Upper, upper), (LayerRef::Work, work)]
            .into_iter()
            .find_map(|(role, fd)| in_use_here(fd?).map(|point| in_use(overlay, role, Some(point))))
            .unwrap_or_else(|| in_use(overlay, LayerRef::Upper, None)),
        Some(Errno::INVAL) => match conflict::of_options(&error, overlay, &Features::get()) {
            Some(error) => error,
            None => {
                let lowers = layers.iter().filter(|(role, _)| matches!(role, LayerRef::Lower(_))).count();
                error.with_hint(format!(
                    "see the kernel's log: dmesg(1); the overlay has {lowers} lower layers"
                ))
            }
        },
        _ => error,
    }
}

/// Explains the error if upperdir and workdir do not fit together; returns `None` if they do.
fn of_upper_and_work(
    error: &Error,
    overlay: &Overlay,
    upper: BorrowedFd<'_>,
    work: BorrowedFd<'_>,
) -> Option<Error> {
    let (role, reason) = if is_same_file(upper, work).unwrap_or(false) {
        (LayerRef::Work, "workdir and upperdir are the same directory")
    } else if MountId::of(upper).ok()? != MountId::of(work).ok()? {
        (LayerRef::Work, "workdir must be on the same mount as upperdir")
    } else if lies_in(work, upper) {
        (LayerRef::Work, "workdir is inside upperdir")
    } else if lies_in(upper, work) {
        (LayerRef::Upper, "upperdir is inside workdir")
    } else {
        return None;
    };
    let error = error.clone().with_kind(ErrorKind::UpperWork).with_operation(Operation::CheckLayer);
    Some(overlay.name_layer(error.with_reason(reason), role))
}
