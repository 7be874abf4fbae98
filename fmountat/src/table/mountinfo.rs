// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `/proc/self/mountinfo`, read once and parsed to bytes: proc_pid_mountinfo(5).

use crate::error::{Error, ErrorKind, Result};
use rustix::io::Errno;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MountEntry {
    /// The id, unique while the mount lives.
    pub id: u64,
    /// The id of the mount it is on.
    pub parent: u64,
    /// Major and minor number of the file system's device.
    pub device: (u32, u32),
    /// The peer group it is in: mounts of one group pass on to each other what is mounted and unmounted in them.
    pub shared: Option<u64>,
    /// The peer group that it receives from.
    pub master: Option<u64>,
    /// The directory of the file system that is its root.
    pub root: PathBuf,
    /// Where it is, seen from the reader's root; the bytes as they are.
    pub target: PathBuf,
    /// Per-mount options.
    pub options: OsString,
    /// The file system's type.
    pub fstype: OsString,
    /// The source.
    pub source: OsString,
    /// The superblock's options.
    pub super_options: OsString,
}

/// The table of this thread's namespace.
///
/// # Errors
/// [`ErrorKind::NotFound`] without /proc; [`ErrorKind::System`] for a line that can't be parsed.
pub fn read() -> Result<Vec<MountEntry>> {
    let text = std::fs::read("/proc/thread-self/mountinfo").map_err(|e| {
        let errno = Errno::from_io_error(&e).unwrap_or(Errno::IO);
        Error::sys("read the mount table", "open", errno).arg("/proc/thread-self/mountinfo")
    })?;
    parse(&text)
}

/// Parses the text of a mountinfo file.
///
/// # Errors
/// [`ErrorKind::System`], with the line, where it is not of the documented form.
pub fn parse(text: &[u8]) -> Result<Vec<MountEntry>> {
    let lines = text.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    let parsed = lines.map(|line| {
        parse_line(line).ok_or_else(|| {
            let error = Error::new(ErrorKind::System, "read the mount table", "a line of an unknown form");
            error.arg(OsStr::from_bytes(line))
        })
    });
    parsed.collect()
}

fn parse_line(line: &[u8]) -> Option<MountEntry> {
    let mut fields = line.split(|b| *b == b' ');
    let mut next = || fields.next();
    let id = number(next()?)?;
    let parent = number(next()?)?;
    let device = device(next()?)?;
    let root = unescape(next()?).into();
    let target = unescape(next()?).into();
    let options = unescape(next()?);
    let (mut shared, mut master) = (None, None);
    // Optional fields up to a lone dash.
    loop {
        match next()? {
            b"-" => break,
            field => {
                shared = shared.or_else(|| number(field.strip_prefix(b"shared:")?));
                master = master.or_else(|| number(field.strip_prefix(b"master:")?));
            }
        }
    }
    let fstype = unescape(next()?);
    let source = unescape(next()?);
    let super_options = unescape(next().unwrap_or_default());
    Some(MountEntry {
        id,
        parent,
        device,
        shared,
        master,
        root,
        target,
        options,
        fstype,
        source,
        super_options,
    })
}

fn device(field: &[u8]) -> Option<(u32, u32)> {
    let (major, minor) = std::str::from_utf8(field).ok()?.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn number(field: &[u8]) -> Option<u64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// `\040` and its like: three octal digits (`mangle`, fs/seq_file.c).
pub(crate) fn unescape(field: &[u8]) -> OsString {
    let octal = |digits: &[u8]| {
        let value = digits
            .iter()
            .try_fold(0u32, |n, d| (b'0'..=b'7').contains(d).then(|| n * 8 + u32::from(d - b'0')));
        value.and_then(|n| u8::try_from(n).ok())
    };
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((byte, tail)) = rest.split_first() {
        let code = (*byte == b'\\' && tail.len() >= 3).then(|| octal(&tail[..3])).flatten();
        out.push(code.unwrap_or(*byte));
        rest = if code.is_some() { &tail[3..] } else { tail };
    }
    OsString::from_vec(out)
}

/// The entries at and below the mount `id`, each after all that are mounted on it: the order to unmount in.
pub(crate) fn deepest_first(entries: &[MountEntry], id: u64) -> Vec<&MountEntry> {
    let mut order: Vec<&MountEntry> = entries.iter().filter(|e| e.id == id).collect();
    let mut at = 0;
    // A table that changed while it was read may have mounts on each other.
    let mut seen: HashSet<u64> = HashSet::from([id]);
    order.truncate(1);
    while at < order.len() {
        let parent = order[at].id;
        order.extend(entries.iter().filter(|e| e.parent == parent && seen.insert(e.id)));
        at += 1;
    }
    order.reverse();
    order
}

/// Whether a mount of the table lies strictly below `path`.
pub(crate) fn has_mounts_below(entries: &[MountEntry], path: &Path) -> bool {
    entries.iter().any(|e| e.target != path && e.target.starts_with(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = b"36 35 98:0 /mnt1 /mnt\\0402\\134x\\012 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue";

    #[test]
    fn a_line_gives_its_bytes() {
        let entry = parse_line(LINE).unwrap();
        assert_eq!((entry.id, entry.parent, entry.device), (36, 35, (98, 0)));
        assert_eq!((entry.shared, entry.master), (Some(2), Some(1)));
        assert_eq!(entry.target, PathBuf::from("/mnt 2\\x\n"));
        assert_eq!(entry.options, "rw,noatime");
        assert_eq!((entry.fstype, entry.super_options), ("ext3".into(), "rw,errors=continue".into()));
    }

    #[test]
    fn children_come_before_their_parents() {
        let line = |id: u64, parent: u64, at: &str| format!("{id} {parent} 0:1 / {at} rw - tmpfs t rw\n");
        let text =
            [line(1, 1, "/"), line(2, 1, "/a"), line(9, 2, "/a/b"), line(4, 9, "/a/b/c"), line(5, 2, "/a")]
                .concat();
        let entries = parse(text.as_bytes()).unwrap();
        let order: Vec<u64> = deepest_first(&entries, 2).iter().map(|e| e.id).collect();
        assert_eq!(order, [4, 5, 9, 2]);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_parse_or_fail_without_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn what_the_kernel_escapes_comes_back(name in proptest::collection::vec(1u8..=255, 1..40)) {
            let escaped: Vec<u8> = name.iter().flat_map(|b| match b {
                b' ' | b'\t' | b'\n' | b'\\' => format!("\\{b:03o}").into_bytes(),
                b => vec![*b],
            }).collect();
            proptest::prop_assert_eq!(unescape(&escaped).into_vec(), name);
        }
    }
}
