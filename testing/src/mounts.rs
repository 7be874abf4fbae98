// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The mount table for cases, read from the thread's `mountinfo` at each call.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// One line of mountinfo as text. Bytes that are not valid UTF-8 are replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountLine {
    /// The mount id, unique while the mount exists.
    pub id: String,
    /// The id of the parent mount.
    pub parent: String,
    /// The root of the mount within the file system.
    pub root: String,
    /// The mount point.
    pub point: PathBuf,
    /// Per-mount options: `rw,nosuid,relatime`.
    pub flags: String,
    /// `shared:N`, `master:N`, `propagate_from:N`, `unbindable`.
    pub propagation: Vec<String>,
    /// The file system's type.
    pub fstype: String,
    /// The source.
    pub source: String,
    /// The options of the superblock.
    pub superblock: String,
}

/// Returns the mount points at and below `path`, one for each mount. The mount point of stacked
/// mounts is repeated.
#[must_use]
pub fn mounts_below(path: impl AsRef<Path>) -> Vec<String> {
    let below = mount_table().into_iter().filter(|entry| entry.point.starts_with(path.as_ref()));
    below.map(|entry| entry.point.to_string_lossy().into_owned()).collect()
}

/// Returns the per-mount options (`rw,nosuid,relatime`) of the mount at `path`, of a stack those of
/// the topmost.
///
/// # Panics
/// If `path` is not a mount point.
#[must_use]
pub fn mount_flags(path: impl AsRef<Path>) -> String {
    let stack: Vec<MountLine> =
        mount_table().into_iter().filter(|entry| entry.point == path.as_ref()).collect();
    let top = stack.iter().find(|entry| !stack.iter().any(|other| other.parent == entry.id));
    top.unwrap_or_else(|| panic!("nothing is mounted on {}", path.as_ref().display())).flags.clone()
}

/// Returns the lines of this process's mount table with `scratch` or a path below it, also as
/// source or in an option.
pub(crate) fn lines_that_mention(scratch: &Path) -> Vec<String> {
    let table = std::fs::read("/proc/self/mountinfo").expect("the mount table can be read");
    let name = scratch.to_string_lossy();
    String::from_utf8_lossy(&table).lines().filter(|line| mentions(line, &name)).map(str::to_owned).collect()
}

/// Returns whether a line has the name of a scratch directory. The names are numbered: `…-1` does
/// not match `…-12`.
fn mentions(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| !line[at + name.len()..].starts_with(|c: char| c.is_ascii_digit()))
}

/// Returns the mount table of the calling thread's mount namespace.
#[must_use]
pub fn mount_table() -> Vec<MountLine> {
    let table = std::fs::read("/proc/thread-self/mountinfo").expect("the mount table can be read");
    table.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(parse).collect()
}

fn parse(line: &[u8]) -> MountLine {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let text = |n: usize| String::from_utf8_lossy(&unescape(fields[n])).into_owned();
    // A single dash ends the optional fields.
    let dash =
        fields.iter().position(|field| *field == b"-").expect("a dash in each line of the mount table");
    MountLine {
        id: text(0),
        parent: text(1),
        root: text(3),
        point: PathBuf::from(std::ffi::OsStr::from_bytes(&unescape(fields[4]))),
        flags: text(5),
        propagation: (6..dash).map(text).collect(),
        fstype: text(dash + 1),
        source: text(dash + 2),
        superblock: text(dash + 3),
    }
}

/// Decodes the octal escapes of mountinfo, such as `\040` for a space.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let octal = tail.get(..3).filter(|_| *first == b'\\');
        let octal = octal.and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_with_its_escapes() {
        let line =
            br"36 35 98:0 /root /mnt\040a\134b rw,noatime shared:1 - ext3 /dev/root rw,errors=continue";
        let entry = parse(line);
        assert_eq!(entry.point, PathBuf::from(r"/mnt a\b"));
        assert_eq!((&*entry.id, &*entry.parent, &*entry.flags), ("36", "35", "rw,noatime"));
        assert_eq!((entry.propagation, entry.fstype), (vec![String::from("shared:1")], String::from("ext3")));
        assert_eq!(entry.superblock, "rw,errors=continue");
    }

    #[test]
    fn a_longer_number_is_another_directory() {
        assert!(mentions("1 2 0:3 / /tmp/t-1 rw", "/tmp/t-1"));
        assert!(mentions("1 2 0:3 / /tmp/t-12 rw - overlay o lowerdir=/tmp/t-1/l", "/tmp/t-1"));
        assert!(!mentions("1 2 0:3 / /tmp/t-12 rw", "/tmp/t-1"));
    }
}
