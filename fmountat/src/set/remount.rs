// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Changes to what is mounted: `remount`, and propagation words alone. What was not asked for stays.

use crate::diagnose::step;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::kinds::filesystem::set_options;
use crate::kinds::tried::{Tried, What};
use crate::mountinfo;
use crate::mountinfo::id::{MountId, MountinfoId};
use crate::set::options::suggest::{names, option_error};
use crate::set::options::{Options, Places};
use crate::sys::statmount::{MNT_BASIC, may_be_asked, statmount};
use crate::vfs::attr::{Attr, Locked, MountAttr, set_attr, set_tree_attr};
use crate::vfs::context::FsContext;
use crate::vfs::identity::{is_mount_root, mounted_type};
use crate::vfs::target::Target;
use rustix::fd::AsFd;
use std::ffi::OsString;

/// The failure of a change to the mount at `target`.
pub(crate) fn of_change(error: Error, target: &Target) -> Error {
    let fstype = match error.kind() {
        ErrorKind::UnknownOption => mounted_type(target.as_fd()).unwrap_or_default(),
        _ => OsString::new(),
    };
    let what = What::Filesystem(&fstype, &[]);
    step(error, &Tried { dir: target.as_fd(), source: target.path(), what, userspace_options: names })
}

/// Changes the mount at `target` as `options` say: per-mount attributes by mount_setattr(2) \[Linux 5.12\]; unless
/// `bind` is among them, superblock flags and file-system words by fspick(2) and fsconfig(2) \[Linux 5.2\].
///
/// Where the file system refuses its part the attributes are as before. Recursive words and propagation come last.
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
/// [`ErrorKind::NotMounted`]; [`ErrorKind::OptionConflict`] for an option without effect, or one of the file system with `bind`, before
/// any change: [`Options::take_without_effect_in_remount`] takes those out first;
/// the kernel's errno and words.
pub fn remount(target: &Target, options: &Options) -> Result<()> {
    let done = check(target, options).and_then(|()| change(target, options));
    done.map_err(|e| crate::set::remount::of_change(e.with_argument_if_none(target.path()), target))
}

fn check(target: &Target, options: &Options) -> Result<()> {
    if !is_mount_root(target.as_fd())? {
        return Err(Error::new(ErrorKind::NotMounted, Operation::Remount, "is not mounted"));
    }
    // `remount` need not be among the words: a caller of this function means it.
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
                // A second failure is no news: the first is what the user can act on.
                let _ = set(target, &before);
                return Err(error);
            }
        }
    }
    let propagation = MountAttr { propagation: options.attr.propagation, ..MountAttr::default() };
    let whole = &options.recursive_attr;
    // The words for the top once more: those for the tree reach it too.
    let top = if whole.is_empty() { &propagation } else { &options.attr };
    set_tree_attr(target.as_fd(), top, whole, true, Locked::IsAnError)
}

fn set(target: &Target, attr: &MountAttr) -> Result<()> {
    set_attr(target.as_fd(), attr, false, Locked::IsAnError)
}

/// The file system with what it is told, still to be done.
fn file_system_part(target: &Target, options: &Options) -> Result<Option<FsContext>> {
    if options.bind.is_some() || options.superblock.is_empty() && options.fs_options.is_empty() {
        return Ok(None);
    }
    let mut context = FsContext::pick(target)?;
    set_options(&mut context, &options.superblock, &options.fs_options)?;
    Ok(Some(context))
}

/// What takes `attr` back: the attributes as the mount table has them now.
fn undo(target: &Target, attr: &MountAttr) -> Result<MountAttr> {
    let touched = attr.set | attr.clear;
    // In the namespace of others /proc may be of another pid namespace, or missing.
    let id = MountId::of(target.as_fd())?;
    if let Some(basic) = may_be_asked().then(|| statmount(id.get(), MNT_BASIC).ok()?.basic).flatten() {
        return Ok(MountAttr {
            set: Attr::from_bits_retain(basic.attr) & touched,
            clear: touched,
            propagation: None,
        });
    }
    let id = MountinfoId::of(target.as_fd())?;
    let table = mountinfo::read()?;
    let shown = table.iter().find(|entry| entry.id == id).map(|entry| Options::parse([&entry.options]));
    let now = shown.transpose()?.unwrap_or_default().attr;
    // Of the policies the table shows all but strictatime.
    let strict = !now.set.intersects(Attr::NOATIME) && !now.clear.intersects(Attr::ATIME_FIELD);
    let policy = if strict { Attr::STRICTATIME } else { Attr::empty() };
    Ok(MountAttr { set: (now.set | policy) & touched, clear: touched, propagation: None })
}
