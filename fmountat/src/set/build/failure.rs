// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Errors of a failed step, completed with a diagnosis.

use crate::diagnose::step;
use crate::error::{Error, ErrorKind, Operation};
use crate::kinds::overlay::Overlay;
use crate::kinds::tried;
use crate::kinds::tried::Tried;
use crate::set::options::suggest::names;
use crate::set::plan::step::{Step, What};
use rustix::fd::BorrowedFd;
use std::path::Path;

/// Diagnoses the failure of a step. Relative paths of the step start at `dir`.
pub(crate) fn why(error: Error, dir: BorrowedFd<'_>, failed: &Step) -> Error {
    step(error, &about(dir, failed))
}

/// Returns the step in the form that `diagnose` takes.
pub(crate) fn about<'a>(dir: BorrowedFd<'a>, step: &'a Step) -> Tried<'a> {
    let what = match &step.what {
        What::Overlay(overlay) => tried::What::Overlay(overlay),
        What::Bind { recursive } => tried::What::Bind { recursive: *recursive },
        What::Filesystem(fstype) => tried::What::Filesystem(fstype, &step.options.fs_options),
    };
    Tried { dir, source: &step.source, what, userspace_options: names }
}

/// Diagnoses the failure of a lone overlay.
pub(crate) fn of_overlay(error: Error, dir: BorrowedFd<'_>, overlay: &Overlay) -> Error {
    let what = tried::What::Overlay(overlay);
    step(error, &Tried { dir, source: Path::new("overlay"), what, userspace_options: names })
}

/// Returns the error for a step that needs the set's root after that root was left out (`nofail`).
pub(crate) fn without_root(target: &Path) -> Error {
    let reason = "the mount with the target `/` was left out (nofail), so there is no root to mount it in";
    Error::new(ErrorKind::NotFound, Operation::Build, reason).with_argument(target)
}

pub(crate) fn cannot_assemble() -> Error {
    let reason = "the set can't be mounted in one step: this kernel can't mount into a detached tree, and \
                  the set can't be copied out of a private mount namespace";
    Error::new(ErrorKind::Unsupported, Operation::BuildDetached, reason).with_hint(
        "use Linux 6.15 or newer, or allow unshare(2) and use at most one mount with the target `/` and no \
         unbindable mount",
    )
}

pub(crate) fn every_mount_left_out() -> Error {
    Error::new(
        ErrorKind::AllLeftOut,
        Operation::Build,
        "no source exists, and all mounts have the option nofail",
    )
    .with_hint("create one of the sources, or remove `nofail`")
}

pub(crate) fn is_missing_source(error: &Error, step: &Step) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::LayerMissing)
        && (matches!(step.what, What::Overlay(_)) || error.argument() == Some(step.source.as_os_str()))
}
