// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Changes to what is mounted: `remount`, and propagation words alone. What was not asked for stays.

use super::classic_attr::{change, each_below, propagate, remount_filesystem};
use super::mounter::Mounter;
use super::options::{Options, option_error};
use super::words::Places;
use crate::error::{Error, ErrorKind, Result};
use crate::vfs::attr::{Locked, set_attr};
use crate::vfs::context::FsContext;
use crate::vfs::features::Features;
use crate::vfs::identity::is_mount_root;
use crate::vfs::target::Target;
use rustix::fd::AsFd;
use std::ffi::OsStr;

/// Changes the mount at `target` as `options` say: per-mount attributes by mount_setattr(2) \[Linux 5.12\]; unless
/// `bind` is among them, superblock flags and file-system words by fspick(2) and fsconfig(2) \[Linux 5.2\].
///
/// ```no_run
/// use fmountat::{Options, Target, remount};
/// let data = Target::open(rustix::fs::CWD, "/data")?;
/// remount(&data, &Options::parse(["remount,bind,ro"])?)?;
/// # Ok::<(), fmountat::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::NotMounted`]; [`ErrorKind::OptionConflict`] for a file-system word with `bind`, before any change;
/// the kernel's errno and words.
pub fn remount(target: &Target, options: &Options) -> Result<()> {
    remount_with(target, options, &Features::get())
}

impl Mounter {
    /// [`remount`], with the features of this handle: without mount_setattr(2) and fspick(2) by mount(2), which needs /proc.
    ///
    /// # Errors
    /// Those of [`remount`].
    pub fn remount(&self, target: &Target, options: &Options) -> Result<()> {
        remount_with(target, options, &self.features)
    }
}

fn remount_with(target: &Target, options: &Options, features: &Features) -> Result<()> {
    if !is_mount_root(target.as_fd())? {
        let error = Error::new(ErrorKind::NotMounted, "remount", "nothing is mounted there");
        return Err(error.arg(target.path()));
    }
    // `remount` need not be among the words: a caller of this function means it.
    if let Some((_, text)) = options.misplaced(Places::REMOUNT).next() {
        let reason = "it has no effect on a mount that is there already";
        return Err(option_error(ErrorKind::OptionConflict, text, reason));
    }
    if options.bind.is_some() {
        if let Some(word) = options.words.first() {
            let reason = "with `bind` only the mount is changed, not its file system";
            return Err(option_error(ErrorKind::OptionConflict, &word.key, reason));
        }
        if let Some(flag) = options.superblock.iter().find(|flag| !["ro", "rw"].contains(flag)) {
            let reason = "it belongs to the whole file system: leave `bind` out";
            return Err(option_error(ErrorKind::OptionConflict, OsStr::new(flag), reason));
        }
    } else if !(options.superblock.is_empty() && options.words.is_empty()) {
        let done = match features.new_mount_api {
            true => reconfigure(target, options),
            false => remount_filesystem(target.as_fd(), options),
        };
        done.map_err(|e| match e.argument() {
            Some(_) => e,
            None => e.arg(target.path()),
        })?;
    }
    let named = |e: Error| e.arg(target.path());
    let (whole, top) = (&options.recursive_attr, &options.attr);
    if features.mount_setattr {
        set_attr(target.as_fd(), whole, true, Locked::IsAnError).map_err(named)?;
        return set_attr(target.as_fd(), top, false, Locked::IsAnError).map_err(named);
    }
    each_below(target.as_fd(), whole, Locked::IsAnError).map_err(named)?;
    propagate(target.as_fd(), whole.propagation, true).map_err(named)?;
    change(target.as_fd(), top, Locked::IsAnError).map_err(named)?;
    propagate(target.as_fd(), top.propagation, false).map_err(named)
}

fn reconfigure(target: &Target, options: &Options) -> Result<()> {
    let mut context = FsContext::pick(target)?;
    for flag in &options.superblock {
        context.set_flag(flag)?;
    }
    for word in &options.words {
        word.set(&mut context)?;
    }
    context.reconfigure()
}
