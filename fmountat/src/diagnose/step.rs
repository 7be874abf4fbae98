// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Explains the failure of one mount by its source, its device and its options.

use crate::diagnose::general::diagnose_from;
use crate::diagnose::limits::number;
use crate::diagnose::{overlay, parameters, spelling};
use crate::error::{Error, ErrorKind, Operation, Result, Syscall, escape};
use crate::kinds::filesystem::FsOption;
use crate::kinds::tried::{Tried, What};
use crate::mountinfo;
use crate::mountinfo::id::MountId;
use crate::sys::statmount::{MNT_BASIC, StatMount, statmount};
use crate::vfs::attr::Propagation;
use crate::vfs::features::Features;
use crate::vfs::target::Target;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Diagnoses the failure of one mount.
pub(crate) fn step(error: Error, about: &Tried<'_>) -> Error {
    let (error, fstype) = match about.what {
        What::Overlay(overlay) => (overlay::explain(error, overlay, about.dir), OsStr::new("overlay")),
        What::Bind { recursive } => (bind(error, about, recursive), OsStr::new("")),
        What::Filesystem(fstype, options) => {
            let error = huge_pages(device(error, about, fstype), fstype);
            (unnamed_option(error, fstype, options, about.userspace_options), fstype)
        }
    };
    diagnose_from(spelled(error, fstype, about.userspace_options), Some(about.dir))
}

/// Suggests a known option for an unknown one, or lists the options of the file system; for a bad
/// value, lists the values.
pub(crate) fn spelled(error: Error, fstype: &OsStr, userspace_options: fn() -> Vec<&'static str>) -> Error {
    if error.kind() == ErrorKind::OptionValue && error.operation() == Operation::SetOption {
        return bad_value(error, fstype);
    }
    if error.kind() != ErrorKind::UnknownOption || error.hint().is_some() {
        return error;
    }
    let Some(option) = error.argument().and_then(OsStr::to_str).map(str::to_owned) else { return error };
    let key = option.split('=').next().unwrap_or_default();
    // The kernel reports a negated option with a value as an unknown one.
    let is_known =
        fstype.to_str().and_then(parameters::of).is_some_and(|mut all| all.any(|name| name == key));
    if is_known && key.starts_with("no") && key.len() < option.len() {
        return error.with_kind(ErrorKind::OptionValue).with_reason("takes no value");
    }
    match meant(key, fstype, userspace_options) {
        Some(near) => error.with_hint(format!("did you mean {near}?")),
        None => match fstype.to_str().and_then(parameters::of).map(Iterator::collect::<Vec<_>>) {
            Some(known) if !known.is_empty() && known.len() <= 24 => {
                error.with_hint(format!("options of {}: {}", escape(fstype.as_bytes()), known.join(", ")))
            }
            _ => error,
        },
    }
}

/// Adds the values that the option takes.
fn bad_value(error: Error, fstype: &OsStr) -> Error {
    if error.hint().is_some() {
        return error;
    }
    let key = error.argument().and_then(OsStr::to_str).and_then(|option| option.split('=').next());
    match fstype.to_str().zip(key).and_then(|(fstype, key)| Some((key, parameters::values(fstype, key)?))) {
        Some((key, values)) => {
            let hint = format!("{key} takes {values}");
            error.with_hint(hint)
        }
        None => error,
    }
}

fn meant(key: &str, fstype: &OsStr, userspace_options: fn() -> Vec<&'static str>) -> Option<&'static str> {
    let own = fstype.to_str().and_then(parameters::of).into_iter().flatten();
    let near = spelling::nearest(key, own.chain(userspace_options()))?;
    // The option itself is in the list: it needs another kernel, or is in the wrong place.
    (near != key).then_some(near)
}

/// Names the option that the file system does not support, for an EINVAL of mount(2).
fn unnamed_option(
    error: Error,
    fstype: &OsStr,
    options: &[FsOption],
    userspace_options: fn() -> Vec<&'static str>,
) -> Error {
    let is_unexplained = error.raw_errno() == Some(Errno::INVAL) && error.call() == Some(Syscall::Mount);
    if !is_unexplained || error.has_reason() {
        return error;
    }
    let odd = fstype.to_str().and_then(|fstype| parameters::unknown(fstype, options));
    let Some(key) = odd.and_then(|option| option.key.to_str()) else { return error };
    let near = meant(key, fstype, userspace_options).map(|near| format!(": did you mean {near}?"));
    let (fstype, near) = (fstype.to_string_lossy(), near.unwrap_or_default());
    error.with_hint(format!("{fstype} has no option `{}`{near}", escape(key.as_bytes())))
}

/// Predicts a failure from the mount that holds the source.
pub(crate) fn predict(about: &Tried<'_>) -> Option<Error> {
    match about.what {
        What::Overlay(overlay) => overlay::predict(overlay, about.dir),
        What::Bind { recursive } => {
            let refused = Error::sys(Operation::CloneMount, Syscall::OpenTree, Errno::INVAL);
            let error = bind(refused.with_argument(about.source), about, recursive);
            let is_refused = match error.kind() {
                ErrorKind::System => false,
                ErrorKind::Locked => Target::open(about.dir, about.source).is_ok_and(|source| {
                    overlay::locked_below(source.as_fd(), &mountinfo::read().unwrap_or_default()).is_some()
                }),
                _ => true,
            };
            is_refused.then_some(error)
        }
        What::Filesystem(..) => None,
    }
}

fn bind(error: Error, about: &Tried<'_>, recursive: bool) -> Error {
    let is_refused = error.raw_errno() == Some(Errno::INVAL)
        && matches!(error.call(), Some(Syscall::OpenTree | Syscall::Mount));
    let (true, Ok(source)) = (is_refused, Target::open(about.dir, about.source)) else { return error };
    let is_unbindable = |mount: &StatMount| {
        mount.basic.as_ref().is_some_and(|basic| basic.propagation & Propagation::Unbindable.bits() != 0)
    };
    match MountId::of(source.as_fd()).map(|id| statmount(id.get(), MNT_BASIC)) {
        Ok(Ok(mount)) if is_unbindable(&mount) => error
            .with_kind(ErrorKind::Unbindable)
            .with_reason("is on an unbindable mount")
            .with_hint("make that mount private first: `mount --make-private MOUNTPOINT`"),
        Ok(Err(Errno::NOENT)) => {
            let reason = "is on a mount of another mount namespace";
            error
                .with_kind(ErrorKind::Unsupported)
                .with_reason(reason)
                .with_hint("clone it with open_tree(2) in that mount namespace, and pass the file descriptor")
        }
        _ if !recursive && !Features::get().initial_user_namespace => error
            .with_kind(ErrorKind::Locked)
            .with_reason(
                "has mounts below it that are locked in this user namespace and must not be left out",
            )
            .with_hint("bind it with all mounts below it: `rbind`"),
        _ => error,
    }
}

/// Explains that too few huge pages are free for the option `min_size=`, which reserves them.
fn huge_pages(error: Error, fstype: &OsStr) -> Error {
    match fstype == "hugetlbfs" && error.raw_errno() == Some(Errno::NOMEM) {
        true => error.with_hint(
            "`min_size` reserves huge pages: lower it, or add pages (vm.nr_hugepages; /proc/meminfo shows \
             HugePages_Free)",
        ),
        false => error,
    }
}

/// Explains a failure by the state of the device: read-only, or in use.
fn device(error: Error, about: &Tried<'_>, fstype: &OsStr) -> Error {
    let Some(number) = block_device(about.dir, about.source) else { return error };
    let is_in_use = match error.raw_errno() {
        Some(Errno::ACCESS | Errno::ROFS) if is_read_only(number) => {
            return read_only_device(error, about.source);
        }
        Some(Errno::PERM) => error.kind() == ErrorKind::DeviceInUse,
        Some(Errno::BUSY) => {
            matches!(error.call(), Some(Syscall::Fsconfig | Syscall::Mount | Syscall::Fsmount))
        }
        _ => false,
    };
    if is_in_use { in_use(error.with_argument(about.source), number, fstype) } else { error }
}

/// Refuses a block device that is set read-only.
pub(crate) fn writable_device(dir: BorrowedFd<'_>, source: &Path) -> Result<()> {
    match block_device(dir, source) {
        Some(number) if is_read_only(number) => {
            Err(read_only_device(Error::sys(Operation::Create, Syscall::Fsconfig, Errno::ACCESS), source))
        }
        _ => Ok(()),
    }
}

/// Returns the device number of a block device as (major, minor), or `None` for other files.
fn block_device(dir: BorrowedFd<'_>, source: &Path) -> Option<(u32, u32)> {
    let stat = rustix::fs::statat(dir, source, AtFlags::empty()).ok()?;
    let is_device = FileType::from_raw_mode(stat.st_mode) == FileType::BlockDevice;
    is_device.then(|| (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev)))
}

fn read_only_device(error: Error, source: &Path) -> Error {
    error
        .with_kind(ErrorKind::ReadOnlyDevice)
        .with_argument(source)
        .with_reason("the device is read-only, and a writable mount was requested")
        .with_hint("mount it with `ro`, or make the device writable: `blockdev --setrw DEVICE`")
}

fn is_read_only((major, minor): (u32, u32)) -> bool {
    number(format!("/sys/dev/block/{major}:{minor}/ro")) == Some(1)
}

/// Names the user of the device: a mount of this namespace, a device on top of it, or swap.
fn in_use(error: Error, number: (u32, u32), fstype: &OsStr) -> Error {
    let error = error.with_kind(ErrorKind::DeviceInUse);
    let table = mountinfo::read().unwrap_or_default();
    if let Some(mount) = table.iter().find(|entry| entry.device == number) {
        let shown = |bytes: &OsStr| escape(bytes.as_bytes());
        let (kind, point) = (shown(&mount.fstype), shown(mount.target.as_os_str()));
        let reason = format!("the device is already mounted as {kind} on {point}");
        let hint = match mount.fstype == fstype {
            true => String::from(
                "mount it with the same `ro` or `rw` as that mount: all mounts of a device share it",
            ),
            false => format!("mount it with -t {kind}, or unmount {point} first"),
        };
        return error.with_reason(reason).with_hint(hint);
    }
    let (major, minor) = number;
    let holders = std::fs::read_dir(format!("/sys/dev/block/{major}:{minor}/holders"));
    let holders = holders.into_iter().flatten().flatten();
    let holders: Vec<_> = holders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    match holders.is_empty() {
        true => error.with_reason("the device is in use").with_hint(
            "look for its user: swap (`swapon --show`), a mount in another mount namespace, or a process \
             (fuser(1))",
        ),
        false => error
            .with_reason(format!("the device is part of {}", escape(holders.join(", ").as_bytes())))
            .with_hint("mount that device instead"),
    }
}
