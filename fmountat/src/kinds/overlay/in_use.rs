// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether an upper directory is in use by another overlay, which the kernel itself only tells with `index=on`.

use super::Layer;
use super::layers::{Opened, Role};
use crate::error::{Error, ErrorKind, Result};
use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::mount::{FsOpenFlags, fsconfig_create, fsconfig_set_fd, fsconfig_set_string, fsopen};

/// Asks the kernel by a mount that can't succeed: `index=on` makes it take the lock of the upper directory, and a
/// work directory that is the upper one makes it stop right after, with nothing written (`ovl_get_upper` before
/// `ovl_get_workdir`, fs/overlayfs/super.c). `EBUSY` then means: in use. Without the question, two overlays with one
/// upper mount happily and corrupt each other.
pub(crate) fn check_not_in_use(layers: &[(Role, Opened)], upper: Option<&Layer>) -> Result<()> {
    let of = |want: fn(&Role) -> bool| layers.iter().find(|(role, _)| want(role)).map(|(_, fd)| fd.as_fd());
    let upper_fd = of(|role| matches!(role, Role::Upper));
    let lower_fd = of(|role| matches!(role, Role::Lower(_)));
    let (Some(upper_fd), Some(lower_fd)) = (upper_fd, lower_fd) else {
        return Ok(());
    };
    let probe = || -> rustix::io::Result<()> {
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_fd(&context, "lowerdir+", lower_fd)?;
        fsconfig_set_fd(&context, "upperdir", upper_fd)?;
        fsconfig_set_fd(&context, "workdir", upper_fd)?;
        fsconfig_set_string(&context, "index", "on")?;
        fsconfig_create(&context)
    };
    if probe() != Err(Errno::BUSY) {
        // Any other answer is about the probe; the mount itself will tell what is wrong.
        return Ok(());
    }
    let error = Error::sys("check upperdir", "fsconfig", Errno::BUSY)
        .with_kind(ErrorKind::UpperInUse)
        .because("it is in use as upperdir or workdir of another overlay")
        .hinted("unmount that overlay first: two on one upperdir corrupt each other");
    Err(match upper {
        Some(Layer::Path(path)) => error.arg(path),
        _ => error,
    })
}
