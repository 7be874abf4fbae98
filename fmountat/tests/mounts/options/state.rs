// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The state of a mount as the kernel shows it in mountinfo.

use fmountat::Attr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub(crate) const MS_RDONLY: u64 = libc::MS_RDONLY;

/// One mount.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct MountState {
    pub(crate) attr: Attr,
    /// `MS_*` of the file system.
    pub(crate) superblock: u64,
    pub(crate) propagation: Propagations,
    pub(crate) idmapped: bool,
}

/// The root of a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Look {
    pub(crate) fn at(path: &Path) -> Self {
        let meta = std::fs::metadata(path).unwrap();
        Self { mode: meta.mode() & 0o7777, uid: meta.uid(), gid: meta.gid() }
    }
}

impl std::fmt::Debug for MountState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Propagations { shared, master, unbindable } = self.propagation;
        let attr: Vec<&str> = self.attr.iter_names().map(|(name, _)| name).collect();
        write!(f, "<{}; superblock {:#x}; ", attr.join("|"), self.superblock)?;
        write!(f, "shared {shared}, master {master}, unbindable {unbindable}; idmapped {}>", self.idmapped)
    }
}

/// Which of them a mount is, and may be at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Propagations {
    pub(crate) shared: bool,
    pub(crate) master: bool,
    pub(crate) unbindable: bool,
}

/// The mount table as text, and what it says of some mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table(String);

impl Table {
    pub(crate) fn read() -> Self {
        Self(std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap())
    }

    /// Returns the lines that only one of the two tables has.
    pub(crate) fn difference<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        let lacks = |table: &Self, line: &&str| !table.0.lines().any(|other| other == *line);
        let gone = self.0.lines().filter(|line| lacks(other, line));
        gone.chain(other.0.lines().filter(|line| lacks(self, line))).collect()
    }

    /// Returns the mounts at `path` and below, as they were mounted: the top one first.
    pub(crate) fn at(&self, path: &Path) -> Vec<MountState> {
        let path = path.to_str().unwrap();
        let is_below = |line: &&str| {
            let rest = line.split(' ').nth(4).and_then(|point| point.strip_prefix(path));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.0.lines().filter(is_below).map(state).collect()
    }
}

fn state(line: &str) -> MountState {
    let (mount, filesystem) = line.split_once(" - ").unwrap();
    let fields: Vec<&str> = mount.split(' ').collect();
    let optional = |name: &str| fields[6..].iter().any(|field| field.split(':').next() == Some(name));
    MountState {
        attr: attr(fields[5]),
        superblock: superblock(filesystem.rsplit(' ').next().unwrap()),
        propagation: Propagations {
            shared: optional("shared"),
            master: optional("master"),
            unbindable: optional("unbindable"),
        },
        idmapped: fields[5].split(',').any(|word| word == "idmapped"),
    }
}

/// strictatime is what has no word.
fn attr(words: &str) -> Attr {
    let mut attr = Attr::STRICTATIME;
    for word in words.split(',') {
        attr = match word {
            "rw" => attr,
            "ro" => attr | Attr::RDONLY,
            "nosuid" => attr | Attr::NOSUID,
            "nodev" => attr | Attr::NODEV,
            "noexec" => attr | Attr::NOEXEC,
            "noatime" => (attr - Attr::ATIME_FIELD) | Attr::NOATIME,
            "relatime" => attr - Attr::ATIME_FIELD,
            "nodiratime" => attr | Attr::NODIRATIME,
            "nosymfollow" => attr | Attr::NOSYMFOLLOW,
            "idmapped" => attr,
            _ => panic!("mountinfo has a new word: {word}"),
        };
    }
    attr
}

fn superblock(words: &str) -> u64 {
    let bit = |word: &str| match word {
        "ro" => libc::MS_RDONLY,
        "sync" => libc::MS_SYNCHRONOUS,
        "dirsync" => libc::MS_DIRSYNC,
        "mand" => libc::MS_MANDLOCK,
        "lazytime" => libc::MS_LAZYTIME,
        _ => 0,
    };
    words.split(',').map(bit).fold(0, |all, bit| all | bit)
}
