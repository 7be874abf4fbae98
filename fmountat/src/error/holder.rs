// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What keeps a mount busy, as data and as lines of an error.

use crate::error::text::escape;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How many processes an error names; it counts the others.
const NAMED: usize = 5;

/// A process, mount or loop device that keeps a mount busy.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Holder {
    /// The process; `None` for a mount or a loop device.
    pub pid: Option<u32>,
    /// Its command name (`/proc/PID/comm`), byte for byte; empty without a process.
    pub command: OsString,
    /// What it uses.
    pub kind: HolderKind,
    /// It does not use the mount itself but a copy of it, mostly in another mount namespace. If the
    /// parent is shared, unmounting also unmounts the copies, and fails while one of them is busy.
    pub in_copy: bool,
}

impl Holder {
    /// Makes the holder for a mount at `place`.
    pub(crate) fn mount_below(place: PathBuf) -> Self {
        Self { pid: None, command: OsString::new(), kind: HolderKind::MountBelow(place), in_copy: false }
    }
}

/// What a [`Holder`] uses of a mount.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum HolderKind {
    /// An open file, by its descriptor.
    Descriptor(i32),
    /// The current directory of one of its threads.
    Cwd,
    /// The root directory of one of its threads.
    Root,
    /// The executable of the process.
    Executable,
    /// A memory-mapped file other than the executable.
    Mapping,
    /// A mount on it or below it, with its mount point.
    MountBelow(PathBuf),
    /// A loop device (`/dev/loop0`) whose backing file is on it.
    LoopDevice(PathBuf),
}

impl HolderKind {
    /// Returns the stable name of the kind, as the command prints it with `--json`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Descriptor(_) => "descriptor",
            Self::Cwd => "cwd",
            Self::Root => "root",
            Self::Executable => "executable",
            Self::Mapping => "mapping",
            Self::MountBelow(_) => "mount-below",
            Self::LoopDevice(_) => "loop-device",
        }
    }

    /// Returns the mount point or device, for the kinds that have one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::MountBelow(path) | Self::LoopDevice(path) => Some(path),
            _ => None,
        }
    }
}

impl fmt::Display for HolderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = |path: &Path| escape(path.as_os_str().as_bytes());
        match self {
            Self::Descriptor(number) => write!(f, "descriptor {number}"),
            Self::MountBelow(point) => write!(f, "the mount {}", path(point)),
            Self::LoopDevice(device) => write!(f, "the loop device {}", path(device)),
            plain => f.write_str(plain.name()),
        }
    }
}

/// Returns a line for each process, mount and device: `held by sleep (pid 123): cwd, descriptor 3`.
/// `holders` must be sorted by process.
pub(crate) fn lines(holders: &[Holder]) -> Vec<String> {
    let groups: Vec<&[Holder]> = holders.chunk_by(|a, b| a.pid.is_some() && a.pid == b.pid).collect();
    let mut lines: Vec<String> =
        groups.iter().take(NAMED).map(|group| format!("held by {}", line(group))).collect();
    if let Some(more) = groups.len().checked_sub(NAMED).filter(|more| *more > 0) {
        lines.push(format!("and {more} more"));
    }
    lines
}

fn line(group: &[Holder]) -> String {
    let parts: Vec<String> = group.iter().take(2 * NAMED).map(part).collect();
    let parts = parts.join(", ");
    let more = if group.len() > 2 * NAMED { ", ..." } else { "" };
    match group.first() {
        Some(Holder { pid: Some(pid), command, .. }) => {
            format!("{} (pid {pid}): {parts}{more}", escape(command.as_bytes()))
        }
        _ => parts,
    }
}

fn part(holder: &Holder) -> String {
    let suffix = if holder.in_copy { " in a copy of the mount" } else { "" };
    format!("{}{suffix}", holder.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pid: u32, kind: HolderKind) -> Holder {
        Holder { pid: Some(pid), command: "sl\x1bp".into(), kind, in_copy: false }
    }

    #[test]
    fn one_line_for_each_process_and_the_rest_counted() {
        let below = HolderKind::MountBelow(PathBuf::from("/a\nb"));
        let mut holders = vec![Holder { pid: None, command: OsString::new(), kind: below, in_copy: false }];
        holders.extend([of(7, HolderKind::Descriptor(3)), of(7, HolderKind::Cwd)]);
        holders.extend((10..20).map(|pid| Holder { in_copy: true, ..of(pid, HolderKind::Root) }));
        let lines = lines(&holders);
        assert_eq!(lines[0], "held by the mount /a\\nb");
        assert_eq!(lines[1], "held by sl\\u{1b}p (pid 7): descriptor 3, cwd");
        assert_eq!(lines[2], "held by sl\\u{1b}p (pid 10): root in a copy of the mount");
        assert_eq!((lines.len(), lines[5].as_str()), (6, "and 7 more"));
    }
}
