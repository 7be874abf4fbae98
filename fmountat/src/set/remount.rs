// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Changes existing mounts: `remount`, and propagation options alone.

use crate::diagnose::step;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::kinds::filesystem::set_options;
use crate::kinds::kept_options::kept_options;
use crate::kinds::tried::{Tried, What};
use crate::mountinfo::MountEntry;
use crate::mountinfo::id::MountId;
use crate::set::options::suggest::{names, option_error};
use crate::set::options::{Options, Places};
use crate::sys::statmount::{MNT_BASIC, may_be_asked, statmount};
use crate::vfs::attr::{Attr, MountAttr, set_attr, set_tree_attr};
use crate::vfs::context::FsContext;
use crate::vfs::identity::{is_mount_root, mounted_type, table_entry};
use crate::vfs::target::Target;
use rustix::fd::AsFd;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// Diagnoses the failure of a change to the mount at `target`.
pub(crate) fn of_change(error: Error, target: &Target) -> Error {
    let fstype = match error.kind() {
        ErrorKind::UnknownOption => mounted_type(target.as_fd()).unwrap_or_default(),
        _ => OsString::new(),
    };
    let what = What::Filesystem(&fstype, &[]);
    step(error, &Tried { dir: target.as_fd(), source: target.path(), what, userspace_options: names })
}

/// Changes the mount at `target` as `options` say. Per-mount attributes change by mount_setattr(2)
/// \[Linux 5.12\]. Superblock flags and file-system options change by fspick(2) and fsconfig(2)
/// \[Linux 5.2\], unless `bind` is among the options.
///
/// If the file system refuses its options, the attributes are restored. Recursive attributes and
/// propagation change last.
///
/// ```no_run
/// use fmountat::options::Options;
/// use fmountat::{Target, remount};
/// let data = Target::open(fmountat::CWD, "/data")?;
/// remount(&data, &Options::parse(["remount,bind,ro"])?)?;
/// # Ok::<(), fmountat::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::NotMounted`]; [`ErrorKind::OptionConflict`], before any change, for an option
/// without effect or an option of the file system together with `bind`
/// ([`Options::take_without_effect_in_remount`] removes those); the kernel's errno and message.
pub fn remount(target: &Target, options: &Options) -> Result<()> {
    let done = check(target, options).and_then(|()| change(target, options));
    done.map_err(|e| of_change(e.with_argument_if_none(target.path()), target))
}

fn check(target: &Target, options: &Options) -> Result<()> {
    if !is_mount_root(target.as_fd())? {
        return Err(Error::new(ErrorKind::NotMounted, Operation::Remount, "is not mounted"));
    }
    // `remount` itself may be missing: a call of this function implies it.
    if let Some(given) = options.misplaced(Places::REMOUNT).next() {
        let reason = "has no effect on an existing mount";
        return Err(option_error(ErrorKind::OptionConflict, &given.text, reason));
    }
    match options.of_filesystem().next().filter(|_| options.bind.is_some()) {
        Some(text) => {
            let reason = "applies to the file system, and `bind` limits the remount to the mount: remove \
                          `bind`";
            Err(option_error(ErrorKind::OptionConflict, &text, reason))
        }
        None => Ok(()),
    }
}

fn change(target: &Target, options: &Options) -> Result<()> {
    let flags = MountAttr { propagation: None, ..options.attr };
    match file_system_part(target, options)? {
        None => set(target, &flags)?,
        Some(context) => {
            let before = if flags.is_empty() { flags } else { undo(target, &flags)? };
            set(target, &flags)?;
            if let Err(error) = context.reconfigure() {
                // The first error is the one that the user can act on.
                let _ = set(target, &before);
                return Err(error);
            }
        }
    }
    let propagation = MountAttr { propagation: options.attr.propagation, ..MountAttr::default() };
    let whole = &options.recursive_attr;
    // Includes the attributes of the top mount again, since the recursive ones change it too.
    let top = if whole.is_empty() { &propagation } else { &options.attr };
    set_tree_attr(target.as_fd(), top, whole, true)
}

fn set(target: &Target, attr: &MountAttr) -> Result<()> {
    set_attr(target.as_fd(), attr, false)
}

/// Returns the file-system context with its options set but not yet applied. `None` if nothing of
/// the file system changes.
fn file_system_part(target: &Target, options: &Options) -> Result<Option<FsContext>> {
    if options.bind.is_some() || options.superblock.is_empty() && options.fs_options.is_empty() {
        return Ok(None);
    }
    let mut context = FsContext::pick(target)?;
    let entry = table_entry(target.as_fd())?;
    let kept =
        entry.as_ref().map(|entry| kept_options(&entry.fstype, &entry.super_options, &options.fs_options));
    let all = kept.iter().flatten().chain(&options.fs_options);
    let mut flags = options.superblock.clone();
    // ext4, xfs, btrfs and others take a missing `ro` for `rw`.
    let is_read_only =
        |entry: &MountEntry| entry.super_options.as_bytes().split(|b| *b == b',').any(|o| o == b"ro");
    if entry.as_ref().is_some_and(is_read_only) && !flags.contains(&"rw") && !flags.contains(&"ro") {
        flags.push("ro");
    }
    set_options(&mut context, &flags, all)?;
    Ok(Some(context))
}

/// Returns the attributes that undo `attr`: the current ones, from the mount table.
fn undo(target: &Target, attr: &MountAttr) -> Result<MountAttr> {
    let touched = attr.set | attr.clear;
    // In another mount namespace, /proc may be missing or belong to another pid namespace.
    let id = MountId::of(target.as_fd())?;
    if let Some(basic) = may_be_asked().then(|| statmount(id.get(), MNT_BASIC).ok()?.basic).flatten() {
        return Ok(MountAttr {
            set: Attr::from_bits_retain(basic.attr) & touched,
            clear: touched,
            propagation: None,
        });
    }
    let shown = table_entry(target.as_fd())?.map(|entry| Options::parse([&entry.options]));
    let now = shown.transpose()?.unwrap_or_default().attr;
    // The mount table shows all atime policies except strictatime.
    let strict = !now.set.intersects(Attr::NOATIME) && !now.clear.intersects(Attr::ATIME_FIELD);
    let policy = if strict { Attr::STRICTATIME } else { Attr::empty() };
    Ok(MountAttr { set: (now.set | policy) & touched, clear: touched, propagation: None })
}
