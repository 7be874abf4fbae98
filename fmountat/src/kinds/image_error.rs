// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Explains why the kernel refuses the file system of an image or device.

use crate::error::{Error, ErrorKind, Operation, Syscall, escape};
use crate::kinds::filesystem::FsOption;
use crate::kinds::magic;
use rustix::fs::FileType;
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The options that name a part of the file system or another device, which must exist.
const NAMES_A_PART: [&str; 7] =
    ["device", "journal_dev", "journal_path", "logdev", "rtdev", "subvol", "subvolid"];

/// Names the option that the kernel's log holds responsible, by its name or by its value. Returns
/// `None` if it holds none.
pub(crate) fn blame_option(error: &Error, source: &Path, options: &[FsOption]) -> Option<Error> {
    if !matches!(error.kind(), ErrorKind::System | ErrorKind::NotFound) {
        return None;
    }
    let log: Vec<String> = error.kernel().iter().map(|line| line.to_lowercase()).collect();
    let is_word = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    let logged = |text: &str| {
        let text = text.to_lowercase();
        log.iter().any(|line| line.split(is_word).any(|word| word == text))
    };
    let value_logged = |value: &OsStr| {
        let value = value.to_string_lossy().to_lowercase();
        value.len() > 2 && log.iter().any(|line| line.contains(&value))
    };
    let is_missing = error.raw_errno() == Some(Errno::NOENT);
    let is_logged = |option: &&FsOption| {
        option.key.to_str().is_some_and(logged) || option.value.as_deref().is_some_and(value_logged)
    };
    let names_a_part = |option: &&FsOption| NAMES_A_PART.iter().any(|key| option.key == **key);
    let guilty = options.iter().find(is_logged);
    let option = guilty.or_else(|| options.iter().filter(|_| is_missing).find(names_a_part))?.text();
    let source = escape(source.as_os_str().as_bytes());
    let (reason, hint) = match is_missing {
        true => {
            (format!("does not exist for {source}"), String::from("correct the name, or remove the option"))
        }
        false => (
            format!("the kernel refuses this option for {source}"),
            format!("mount it without `{}`", escape(option.as_bytes())),
        ),
    };
    let error = error.clone().with_kind(ErrorKind::OptionValue).with_operation(Operation::SetOption);
    Some(error.with_argument(option).with_reason(reason).with_hint(hint))
}

/// Returns the number of a block device, or `None` for other files.
pub(crate) fn device_number(device: &Path) -> Option<u64> {
    let stat = rustix::fs::stat(device).ok()?;
    (FileType::from_raw_mode(stat.st_mode) == FileType::BlockDevice).then_some(stat.st_rdev)
}

/// Returns the kernel's name of a block device: `loop0`. Its path in /dev may have another name.
pub(crate) fn kernel_name(number: u64) -> Option<String> {
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    let link = std::fs::read_link(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    Some(link.file_name()?.to_str()?.to_owned())
}

/// Explains the error if the device holds another file system than requested.
pub(crate) fn explain(
    error: Error,
    fstype: &OsStr,
    found: Option<&'static str>,
    options: &[FsOption],
) -> Error {
    if !matches!(error.raw_errno(), Some(Errno::INVAL | Errno::UCLEAN | Errno::IO | Errno::BADMSG)) {
        return error;
    }
    let Some(found) = found else {
        return error.with_hint("no known file system found");
    };
    let name = escape(fstype.as_bytes());
    if !fstype.to_str().is_some_and(|name| magic::is_same(name, found)) {
        return error
            .with_kind(ErrorKind::WrongFilesystem)
            .with_reason(format!("contains {found}, not {name}"))
            .with_hint(format!("mount it with -t {found}"));
    }
    // The content was refused, not an option. mount(2) does not distinguish them.
    if error.kind() != ErrorKind::System || error.call() != Some(Syscall::Fsconfig) || error.has_reason() {
        return error;
    }
    // If the checksum is right, the image is probably intact, and EINVAL may be about an option.
    if error.raw_errno() == Some(Errno::INVAL) && !options.is_empty() {
        let options: Vec<_> = options.iter().map(|option| option.text()).collect();
        let options = escape(options.join(OsStr::new(",")).as_bytes());
        let hint = format!("mount it without `{options}`; if that fails too, try fsck.{found}");
        return error.with_reason(format!("the kernel refuses this {name} with `{options}`")).with_hint(hint);
    }
    let see = if error.kernel().is_empty() { ", and see dmesg(1)" } else { "" };
    let hint = match fstype == found {
        true => format!("it may be damaged, truncated or made for a newer kernel: try fsck.{found}{see}"),
        false => {
            format!("it may use features of {found}: mount it with -t {found}, or try fsck.{found}")
        }
    };
    let reason = format!("has the signature of {found}, but the kernel can't mount it as {name}");
    error.with_kind(ErrorKind::Damaged).with_reason(reason).with_hint(hint)
}

/// Explains that the kernel cannot open the device exclusively. The reason is only in its log.
pub(crate) fn unopened(error: Error) -> Error {
    let is_closed = error.kernel().iter().any(|line| line.contains("Can't open blockdev"));
    match error.raw_errno() {
        Some(Errno::PERM | Errno::BUSY) if is_closed && error.kind() != ErrorKind::DeviceInUse => error
            .with_kind(ErrorKind::DeviceInUse)
            .with_reason(
                "the kernel can't open the block device exclusively: it is in use, or a policy forbids it",
            )
            .with_hint(
                "find its user with lsblk(8) or `fmountat list -o TARGET,SOURCE`, and release the \
                        device",
            ),
        _ => error,
    }
}
