// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The strategies to mount one overlay, in the order of the table. Each one added here is measured.

use crate::Outcome;
use crate::raw::fork_mount;
use crate::scene::Case;
use fmountat::call::{FsContext, PrivateCwd};
use fmountat::{MountAttr, Mounter, Target};
use rustix::fd::AsFd;
use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, mount};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

/// The strategy that the goals apply to.
pub(crate) const DEFAULT: &str = "Mounter (the default)";
/// The least that the kernel asks for.
pub(crate) const FLOOR: &str = "mount(2), absolute paths";
/// The strategy of programs without this crate.
pub(crate) const FORK: &str = "fork, fchdir, mount(2)";

type MountCase = dyn Fn(&Case) -> Outcome<()>;

/// A strategy to mount a [`Case`].
pub(crate) struct Strategy {
    pub(crate) name: &'static str,
    pub(crate) mount: Box<MountCase>,
    /// Whether an overlay used the upper directory before; otherwise it is new, as for a new
    /// container.
    pub(crate) upper_was_used: bool,
}

pub(crate) fn all() -> Outcome<Vec<Strategy>> {
    let strategy = |name, mount| Strategy { name, mount, upper_was_used: false };
    let child = PrivateCwd::child();
    let worker = PrivateCwd::worker()?;
    let mounter = Rc::new(Mounter::new()?);
    let by_default = || -> Box<MountCase> {
        let mounter = Rc::clone(&mounter);
        Box::new(move |case| Ok(mounter.overlay(&case.dir, &case.overlay, Case::TARGET)?))
    };
    let relative = Rc::clone(&mounter);
    Ok(vec![
        strategy(FLOOR, Box::new(floor)),
        strategy("PrivateCwd::child", Box::new(move |case| private_cwd(&child, case))),
        strategy("PrivateCwd::worker", Box::new(move |case| private_cwd(&worker, case))),
        strategy("fsopen, layers opened", Box::new(context)),
        strategy(FORK, Box::new(|case| Ok(fork_mount(case.dir.as_fd(), c"merged", &case.relative)?))),
        strategy(DEFAULT, by_default()),
        strategy(
            "Mounter, relative layers",
            Box::new(move |case| Ok(relative.overlay(&case.dir, &case.relative_overlay, Case::TARGET)?)),
        ),
        Strategy { name: "Mounter, upper used before", mount: by_default(), upper_was_used: true },
    ])
}

pub(crate) fn floor(case: &Case) -> Outcome<()> {
    let data = Some(&*case.absolute);
    Ok(mount(c"overlay", &*case.absolute_target, c"overlay", MountFlags::empty(), data)?)
}

fn private_cwd(cwd: &PrivateCwd, case: &Case) -> Outcome<()> {
    let data = OsStr::from_bytes(case.relative.to_bytes());
    Ok(cwd.mount(&case.dir, "overlay", Case::TARGET, "overlay", fmountat::MountFlags::empty(), data)?)
}

/// The new mount API with layers that this process opens. The descriptors stay open until the file
/// system exists.
fn context(case: &Case) -> Outcome<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = |path: &str| rustix::fs::openat(&case.dir, path, flags, Mode::empty());
    let mut context = FsContext::open("overlay")?;
    let mut layers = Vec::with_capacity(case.lowers.len());
    for lower in &case.lowers {
        let layer = open(lower)?;
        context.set_fd("lowerdir+", &layer)?;
        layers.push(layer);
    }
    context.set_fd("upperdir", open("upper")?)?;
    context.set_fd("workdir", open("work")?)?;
    let tree = context.create()?.mount(&MountAttr::default())?;
    tree.attach(&Target::open(&case.dir, Case::TARGET)?)?;
    Ok(())
}
