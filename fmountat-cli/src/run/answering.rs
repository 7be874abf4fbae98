// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finds the file systems that do not answer: a process that visits one sleeps in the kernel.

use fmountat::mountinfo::MountEntry;
use fmountat::procfs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The types whose files are elsewhere, with another process or machine that may not answer.
const REMOTE: [&str; 12] =
    ["fuse", "fuseblk", "nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "afs", "coda", "virtiofs", "lustre"];

/// How long all of them may take together.
const PATIENCE: Duration = Duration::from_millis(400);
const INTERVAL: Duration = Duration::from_millis(1);

/// Returns the mount points that do not answer in time. Each is visited by a process of its own:
/// a thread that sleeps there would remain in this process.
pub(crate) fn unanswering(table: &[MountEntry]) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        table.iter().filter(|entry| is_remote(entry)).map(|entry| entry.target.clone()).collect();
    paths.sort();
    paths.dedup();
    let mut waiting: Vec<(PathBuf, Child)> =
        paths.into_iter().filter_map(|path| Some((path.clone(), start(&path)?))).collect();
    let end = Instant::now() + PATIENCE;
    while !waiting.is_empty() && Instant::now() < end {
        waiting.retain_mut(|(_, child)| matches!(child.try_wait(), Ok(None)));
        std::thread::sleep(INTERVAL);
    }
    // They end when the pid namespace does, if they cannot be killed now.
    waiting.iter_mut().for_each(|(_, child)| drop(child.kill()));
    waiting.into_iter().map(|(path, _)| path).collect()
}

fn is_remote(entry: &MountEntry) -> bool {
    let name = entry.fstype.to_string_lossy();
    REMOTE.contains(&&*name) || name.starts_with("fuse.")
}

fn start(path: &Path) -> Option<Child> {
    let mut command = Command::new(procfs::program().ok()?);
    command.arg("__run-visit").arg(path);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
}

/// Visits the directory. Whatever the result is, the file system has answered.
pub(crate) fn visit(path: &Path) {
    let _ = std::fs::metadata(path);
    let _ = std::fs::read_dir(path).map(|mut entries| drop(entries.next()));
}
