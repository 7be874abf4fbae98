// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Judges a run with an injected fault: it must report an error and leave nothing behind, or
//! succeed completely.

use super::fixture::{mounts, with_fixture};
use super::rows::Row;
use super::trace::{CallSite, Errno, filter};
use fmountat_testing::{MountLine, binary, mount_table, read, write};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The visible state of a fixture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) mounts: Vec<String>,
    files: BTreeSet<String>,
    loops: Vec<String>,
}

/// One run of a row.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) status: Option<i32>,
    pub(crate) stderr: String,
    pub(crate) log: String,
    before: View,
    pub(crate) after: View,
}

impl Run {
    /// Returns the messages without the fixture's path, so that runs on two fixtures can be
    /// compared.
    fn said(&self) -> Vec<String> {
        let without_stage = |word: &str| match word.find("/stage") {
            Some(at) => word[at..].splitn(3, '/').nth(2).unwrap_or_default().to_owned(),
            None => word.to_owned(),
        };
        self.stderr.split_whitespace().map(without_stage).collect()
    }
}

/// Runs the row on a new fixture, with a fault if one is given.
pub(crate) fn run(row: &Row, fault: Option<(&CallSite, Errno)>) -> Run {
    with_fixture(|dir| {
        write(dir.join("set.json"), row.set);
        let mut said = Vec::new();
        for line in row.before {
            let output = command(dir, binary(env!("CARGO_BIN_EXE_fmountat")), line).output().unwrap();
            assert!(output.status.success(), "{line}: {output:?}");
            said.extend(output.stdout);
        }
        write(dir.join("said"), said);
        let before = View::of(dir, false);
        // strace ends with the last process that the command started. A process that hangs or is
        // left behind fails its row, not the whole case.
        let mut strace = command(dir, "timeout", "--signal=KILL 20 strace -f -o log -e");
        strace.arg(filter());
        if let Some((place, errno)) = fault {
            place.fail(errno, &mut strace);
        }
        let id = |line: &MountLine| (line.point == dir.join("m")).then(|| line.id.clone());
        let id = mount_table().iter().find_map(id).unwrap();
        let line = row.line.replace("{dir}", dir.to_str().unwrap()).replace("{id}", &id);
        strace.arg(binary(env!("CARGO_BIN_EXE_fmountat"))).args(line.split(' '));
        let Output { status, stderr, .. } = strace.output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        assert!(dir.join("log").exists(), "{strace:?}: {stderr}");
        let log = read(dir.join("log"));
        let after = View::of(dir, !status.success());
        Run { status: status.code(), stderr, log, before, after }
    })
}

fn command(dir: &Path, program: impl AsRef<OsStr>, arguments: &str) -> Command {
    let mut command = Command::new(program);
    command.args(arguments.split(' ')).current_dir(dir).env("TMPDIR", dir.join("tmp")).stdin(Stdio::null());
    command
}

impl View {
    /// Records the state of the fixture. `with_loops` waits a moment for loop devices to be
    /// released, and must be false while one is mounted.
    fn of(dir: &Path, with_loops: bool) -> Self {
        let mut files = BTreeSet::new();
        list(dir, dir, &mut files);
        let loops = if with_loops { fmountat_testing::loop_devices(dir) } else { Vec::new() };
        Self { mounts: mounts(dir), files, loops }
    }
}

/// Lists everything below `path` with type, mode and owner, without the strace log and the kernel's
/// own entries in `workdir`.
fn list(path: &Path, dir: &Path, files: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(path).unwrap().map(Result::unwrap) {
        let (path, meta) = (entry.path(), entry.metadata().unwrap());
        let name = path.strip_prefix(dir).unwrap();
        if name == Path::new("log") || name.starts_with("w") {
            continue;
        }
        let (mode, uid, gid) = (meta.mode(), meta.uid(), meta.gid());
        files.insert(format!("{} {mode:o} {uid}:{gid}", name.display()));
        if meta.is_dir() {
            list(&path, dir, files);
        }
    }
}

/// How a run with a fault ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    FailedCleanly,
    SucceededAnyway,
}

/// Compares a run with the run `well`, which had no fault. Returns what is wrong.
pub(crate) fn judge(row: &Row, run: &Run, well: &Run, errno: Option<&str>) -> Result<Verdict, String> {
    if run.status == Some(0) {
        return match () {
            () if numbered(&run.after.mounts) != numbered(&well.after.mounts) => {
                Err(differ("mounts", &well.after.mounts, &run.after.mounts))
            }
            () if run.after.files != well.after.files => {
                Err(differ("files", &well.after.files, &run.after.files))
            }
            () if run.said() != well.said() => Err(format!("it worked, and says: {}", run.stderr)),
            () => Ok(Verdict::SucceededAnyway),
        };
    }
    match run.status {
        Some(1 | 2 | 32) => {}
        status => return Err(format!("status {status:?}: {}", run.stderr)),
    }
    let bad = run.stderr.lines().find(|line| !is_of_the_form(line));
    if bad.is_some() || run.stderr.is_empty() || run.stderr.contains("panicked") {
        return Err(format!("it says: {}", run.stderr));
    }
    let is_named = errno.is_none_or(|errno| run.stderr.contains(&format!("({errno})")));
    if !is_named && !is_probe(&run.stderr) {
        return Err(format!("no errno: {}", run.stderr));
    }
    let (before, after) = (&run.before, &run.after);
    if row.line.starts_with("umount") {
        // Only the mounts that it unmounted before the failure may be missing.
        return match after.mounts.iter().find(|mount| !before.mounts.contains(mount)) {
            Some(new) => Err(format!("new: {new}")),
            None => Ok(Verdict::FailedCleanly),
        };
    }
    match () {
        () if after.mounts != before.mounts => Err(differ("mounts", &before.mounts, &after.mounts)),
        () if !only_mount_points(before, after, &well.after) => {
            Err(differ("files", &before.files, &after.files))
        }
        () if after.loops != before.loops => Err(differ("loop devices", &before.loops, &after.loops)),
        () => Ok(Verdict::FailedCleanly),
    }
}

/// Reports whether the command reported a missing feature or a failed helper: in both cases no call
/// of the mount itself failed.
fn is_probe(stderr: &str) -> bool {
    stderr.starts_with("fmountat: build a detached tree: ")
        || stderr.contains("which this kernel or sandbox does not have")
        || stderr.contains("run mount helper /sbin/mount.helped: exit status ")
}

/// mount(2) is given layers by the numbers of their descriptors, which differ from run to run.
fn numbered(mounts: &[String]) -> Vec<String> {
    let words = |line: &String| {
        let layer = |word: &str| match word.split_once('=') {
            Some((key @ ("lowerdir" | "upperdir" | "workdir"), _)) => key.to_owned(),
            _ => word.to_owned(),
        };
        line.split(',').map(layer).collect::<Vec<_>>().join(",")
    };
    // Step by step, a set without a root is mounted on its target, not in a copy of it.
    mounts.iter().filter(|line| !line.starts_with("s: tmpfs stage[/s]")).map(words).collect()
}

/// Reports whether only a mount point that is a file, and the directories that lead to it, are
/// left: a rollback removes directories only.
fn only_mount_points(before: &View, after: &View, well: &View) -> bool {
    let new: Vec<&String> = after.files.difference(&before.files).collect();
    let is_file = |line: &&&String| line.contains(" 100");
    let made = new.iter().find(is_file).map(|line| line.split(' ').next().unwrap_or_default().to_owned());
    let leads_to =
        |line: &str| made.as_ref().is_some_and(|file| file.starts_with(line.split(' ').next().unwrap()));
    before.files.is_subset(&after.files)
        && new.iter().all(|line| well.files.contains(*line) && leads_to(line))
}

/// `fmountat: STEP ARGUMENT: REASON (ERRNO)`, and what follows it.
fn is_of_the_form(line: &str) -> bool {
    let error = |text: &str| {
        text.split_once(": ").is_some_and(|(step, reason)| !step.is_empty() && !reason.is_empty())
    };
    line.strip_prefix("fmountat: ").is_some_and(error)
        || ["  kernel: ", "  helper: ", "  held by "].iter().any(|lead| line.starts_with(lead))
        || line.starts_with("  hint: ")
}

fn differ<'a>(
    what: &str,
    want: impl IntoIterator<Item = &'a String>,
    got: impl IntoIterator<Item = &'a String>,
) -> String {
    let (want, got): (Vec<_>, Vec<_>) = (want.into_iter().collect(), got.into_iter().collect());
    let missing = want.iter().filter(|line| !got.contains(line)).map(|line| format!("\n    - {line}"));
    let new = got.iter().filter(|line| !want.contains(line)).map(|line| format!("\n    + {line}"));
    format!("other {what}:{}", missing.chain(new).collect::<String>())
}
