// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Compares the state of a process before and after a case: descriptors, threads, children, cwd,
//! umask.

use crate::raw::child_left;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long to wait for threads: a joined thread leaves `/proc/self/task` shortly after the join
/// returns.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long to wait for loop devices: the kernel frees an auto-clear device in the background,
/// after the last unmount.
const LOOP_PATIENCE: Duration = Duration::from_secs(1);

/// The state of this process that the code under test must not change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    descriptors: BTreeSet<String>,
    threads: usize,
    cwd: PathBuf,
    umask: String,
}

impl Snapshot {
    /// Takes a snapshot of the current state.
    #[must_use]
    pub fn take() -> Self {
        Self {
            descriptors: descriptors(),
            threads: std::fs::read_dir("/proc/self/task").unwrap().count(),
            cwd: std::fs::read_link("/proc/self/cwd").unwrap(),
            umask: status("Umask"),
        }
    }

    /// Returns the number of threads.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Returns the differences to the current state, a text for each. Waits up to 2 s for threads
    /// that are ending.
    #[must_use]
    pub fn changes(&self) -> Vec<String> {
        let start = Instant::now();
        let mut now = Self::take();
        while now.threads > self.threads && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
            now = Self::take();
        }
        let mut changes = Vec::new();
        changes.extend(
            now.descriptors.difference(&self.descriptors).map(|fd| format!("a new descriptor, {fd}")),
        );
        changes.extend(
            self.descriptors.difference(&now.descriptors).map(|fd| format!("a closed descriptor, {fd}")),
        );
        if now.threads != self.threads {
            changes.push(format!("{} threads in place of {}", now.threads, self.threads));
        }
        if now.cwd != self.cwd {
            changes.push(format!("the cwd is {} in place of {}", now.cwd.display(), self.cwd.display()));
        }
        if now.umask != self.umask {
            changes.push(format!("the umask is {} in place of {}", now.umask, self.umask));
        }
        changes
    }

    /// Checks that there are no [`changes`](Self::changes) and no child process, running or dead.
    ///
    /// # Panics
    /// If there are. The message lists them all.
    pub fn assert_unchanged(&self) {
        let mut changes = self.changes();
        changes.extend(child_left());
        assert!(changes.is_empty(), "left over: {}", changes.join("; "));
    }
}

/// Returns the changes, child processes and loop devices that a case left behind. Each one is a
/// failure.
pub(crate) fn left_overs(before: &Snapshot, scratch: &Path) -> Vec<String> {
    let mut left = before.changes();
    left.extend(child_left());
    left.extend(loop_devices(scratch));
    left
}

fn descriptors() -> BTreeSet<String> {
    let listing = std::fs::read_dir("/proc/self/fd").unwrap();
    let numbers: Vec<_> = listing.map(|entry| entry.unwrap().file_name()).collect();
    // The descriptor of the listing itself is closed, so it has no link.
    let links = numbers.iter().filter_map(|number| {
        let link = std::fs::read_link(Path::new("/proc/self/fd").join(number)).ok()?;
        Some(format!("{} ({})", number.to_string_lossy(), link.display()))
    });
    links.collect()
}

/// Returns the loop devices with backing files below `path`. Waits up to 1 s for devices that are
/// being freed.
#[must_use]
pub fn loop_devices(path: &Path) -> Vec<String> {
    let start = Instant::now();
    let mut loops = loop_devices_now(path);
    while !loops.is_empty() && start.elapsed() < LOOP_PATIENCE {
        std::thread::sleep(Duration::from_millis(5));
        loops = loop_devices_now(path);
    }
    loops
}

fn loop_devices_now(path: &Path) -> Vec<String> {
    let devices = std::fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let backed = devices.filter_map(|device| {
        let file = std::fs::read_to_string(device.path().join("loop/backing_file")).ok()?;
        let ours = Path::new(file.trim_end()).starts_with(path);
        ours.then(|| format!("{} on {}", device.file_name().to_string_lossy(), file.trim_end()))
    });
    backed.collect()
}

fn status(field: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value.map(str::trim).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_that_stays_open_is_named() {
        // Other tests of this process open and close descriptors at the same time: check this file
        // only.
        let before = Snapshot::take();
        let file = std::fs::File::open("/proc/self/status").unwrap();
        let changes = before.changes();
        assert!(changes.iter().any(|change| change.contains("/status")), "{changes:?}");
        drop(file);
    }
}
