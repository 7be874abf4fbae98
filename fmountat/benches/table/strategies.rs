// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The strategies to read the table: ours, scans of mountinfo, the procfs crate, findmnt.

use crate::Outcome;
use crate::rows::{self, Row};
use fmountat::mountinfo;
use fmountat::table::{Fields, TableReader, TableStrategy, find, is_mount_point};
use procfs::process::MountInfo;
use rustix::fs::CWD;
use std::path::Path;
use std::process::{Command, Output};

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// All mounts, with what a list shows.
    List,
    /// The mount that holds a path.
    Find,
    /// Whether a path is a mount point.
    IsMountPoint,
}

impl Question {
    pub(crate) const ALL: [Self; 3] = [Self::List, Self::Find, Self::IsMountPoint];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Find => "find",
            Self::IsMountPoint => "is it a mount point",
        }
    }
}

/// The result of a strategy. It is converted to rows after the measurement.
pub(crate) enum Answer {
    Table(fmountat::table::Table),
    Entries(Vec<mountinfo::MountEntry>),
    Procfs(Vec<MountInfo>),
    Findmnt(Output),
    Yes(bool),
}

impl Answer {
    pub(crate) fn rows(&self) -> Outcome<Vec<Row>> {
        match self {
            Self::Table(table) => Ok(rows::of_table(table)),
            Self::Entries(entries) => Ok(rows::of_entries(entries)),
            Self::Procfs(mounts) => Ok(rows::of_procfs(mounts)),
            Self::Findmnt(output) => rows::of_findmnt(&output.stdout),
            Self::Yes(yes) => {
                if *yes {
                    Ok(Vec::new())
                } else {
                    Err("the mount point was not known as one".into())
                }
            }
        }
    }
}

pub(crate) struct Strategy {
    pub(crate) name: &'static str,
    pub(crate) question: Question,
    pub(crate) ask: fn(&Path) -> Outcome<Answer>,
}

pub(crate) const DEFAULT: &str = "Table (the default)";
pub(crate) const BY_STATMOUNT: &str = "Table by statmount";
pub(crate) const BY_MOUNTINFO: &str = "Table by mountinfo";
pub(crate) const FIND: &str = "find()";
pub(crate) const SCAN: &str = "scan of mountinfo";
pub(crate) const PROCFS: &str = "procfs crate";
pub(crate) const FINDMNT: &str = "findmnt";

pub(crate) const STRATEGIES: &[Strategy] = &[
    Strategy { name: DEFAULT, question: Question::List, ask: |_| table(TableStrategy::Auto) },
    Strategy { name: BY_STATMOUNT, question: Question::List, ask: |_| table(TableStrategy::Statmount) },
    Strategy { name: BY_MOUNTINFO, question: Question::List, ask: |_| table(TableStrategy::Mountinfo) },
    Strategy { name: PROCFS, question: Question::List, ask: |_| Ok(Answer::Procfs(procfs()?)) },
    Strategy { name: FINDMNT, question: Question::List, ask: |_| findmnt(&[]) },
    Strategy {
        name: FIND,
        question: Question::Find,
        ask: |path| Ok(Answer::Entries(vec![find(CWD, path)?])),
    },
    Strategy {
        name: SCAN,
        question: Question::Find,
        ask: |path| {
            Ok(Answer::Entries(vec![TableReader::here().strategy(TableStrategy::Mountinfo).find(CWD, path)?]))
        },
    },
    Strategy { name: PROCFS, question: Question::Find, ask: find_by_procfs },
    Strategy {
        name: FINDMNT,
        question: Question::Find,
        ask: |path| findmnt(&["--target".as_ref(), path.as_os_str()]),
    },
    Strategy {
        name: "is_mount_point()",
        question: Question::IsMountPoint,
        ask: |path| Ok(Answer::Yes(is_mount_point(CWD, path)?)),
    },
    Strategy {
        name: SCAN,
        question: Question::IsMountPoint,
        ask: |path| Ok(Answer::Yes(mountinfo::read()?.iter().any(|entry| entry.target == path))),
    },
    Strategy {
        name: PROCFS,
        question: Question::IsMountPoint,
        ask: |path| Ok(Answer::Yes(procfs()?.iter().any(|mount| mount.mount_point == path))),
    },
    Strategy {
        name: FINDMNT,
        question: Question::IsMountPoint,
        ask: |path| findmnt(&["--mountpoint".as_ref(), path.as_os_str()]).map(|_| Answer::Yes(true)),
    },
];

fn table(strategy: TableStrategy) -> Outcome<Answer> {
    Ok(Answer::Table(TableReader::here().fields(Fields::LIST).strategy(strategy).read()?))
}

/// The crate reads the table of the process's first thread; this one has a namespace of its own.
fn procfs() -> Outcome<Vec<MountInfo>> {
    let text = std::io::BufReader::new(std::fs::File::open("/proc/thread-self/mountinfo")?);
    let infos: procfs::process::MountInfos = procfs::FromBufRead::from_buf_read(text)?;
    Ok(infos.0)
}

fn find_by_procfs(path: &Path) -> Outcome<Answer> {
    let statx = rustix::fs::statx(CWD, path, rustix::fs::AtFlags::empty(), rustix::fs::StatxFlags::MNT_ID)?;
    let id = i32::try_from(statx.stx_mnt_id)?;
    let found = procfs()?.into_iter().find(|mount| mount.mnt_id == id);
    Ok(Answer::Procfs(vec![found.ok_or("not in the table")?]))
}

/// Runs findmnt(8) as a child of the calling thread, in the namespace of that thread.
fn findmnt(arguments: &[&std::ffi::OsStr]) -> Outcome<Answer> {
    let mut command = Command::new("findmnt");
    command.args([
        "--kernel",
        "--json",
        "--list",
        "--nofsroot",
        "--output",
        "TARGET,SOURCE,FSTYPE,VFS-OPTIONS,FS-OPTIONS",
    ]);
    let output = command.args(arguments).output()?;
    if !output.status.success() {
        return Err(format!("findmnt: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(Answer::Findmnt(output))
}
