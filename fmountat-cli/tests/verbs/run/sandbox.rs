// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Starts `fmountat run` for the cases, and finds the processes, files and mounts that it left.

use fmountat_testing::{binary, is_real_root, scratch, slower};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A variable in the environment of everything that a case starts: a process keeps it through fork,
/// exec and every namespace.
const MARK: &str = "FMOUNTAT_TEST_MARK";

/// The directory of the scratch directory in which cases themselves write meanwhile.
pub(crate) const CHANGING: &str = "changing";

/// The result of a program.
#[derive(Debug)]
pub(crate) struct Finished {
    /// The exit status as in a shell: 128 and the number of a signal that killed the program.
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Returns the command line of `fmountat run` as the case's user, started through the program
/// `through`.
pub(crate) fn words(through: &[&str]) -> Vec<OsString> {
    let ordinary = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"];
    let user: &[&str] = if is_real_root() { &[] } else { &ordinary };
    let mut words: Vec<OsString> = user.iter().chain(through).map(OsString::from).collect();
    words.push(binary(env!("CARGO_BIN_EXE_fmountat")).into());
    words.push("run".into());
    words
}

pub(crate) fn command(words: &[OsString]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env(MARK, scratch());
    command
}

/// `fmountat run` as the case's user.
pub(crate) fn fmountat(args: &[&str]) -> Command {
    let mut command = command(&words(&[]));
    command.args(args);
    command
}

/// `fmountat run --lower / -- sh -c SCRIPT`.
pub(crate) fn on_host_root(script: &str) -> Command {
    fmountat(&["--lower", "/", "--", "sh", "-c", script])
}

/// Runs to the end with that text as input.
pub(crate) fn finish_with(mut command: Command, input: &[u8]) -> Finished {
    let piped = || Stdio::piped();
    let mut child = command.stdin(piped()).stdout(piped()).stderr(piped()).spawn().unwrap();
    // A program that ends without reading is no failure of ours.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let status = output.status;
    Finished {
        status: status.code().or_else(|| status.signal().map(|s| 128 + s)).unwrap(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs to the end, with nothing to read.
pub(crate) fn finish(command: Command) -> Finished {
    finish_with(command, b"")
}

/// Runs to the end, which must be success; the lines of its output.
pub(crate) fn lines(command: Command) -> Vec<String> {
    let shown = format!("{command:?}");
    let done = finish(command);
    assert_eq!(done.status, 0, "{shown}\n{}{}", done.out, done.err);
    done.out.lines().map(str::to_owned).collect()
}

/// Everything below a directory: owner, mode, times and content, by path.
pub(crate) fn picture(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut seen = BTreeMap::new();
    let mut stack = vec![dir.to_owned()];
    while let Some(path) = stack.pop() {
        if path.ends_with(CHANGING) {
            continue;
        }
        let meta = path.symlink_metadata().unwrap();
        let content = if meta.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        if meta.is_dir() {
            stack.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let times = (meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec());
        let text = String::from_utf8_lossy(&content);
        seen.insert(path, format!("{:o} {}:{} {times:?} {text}", meta.mode(), meta.uid(), meta.gid()));
    }
    seen
}

/// Returns the mounts of this namespace.
pub(crate) fn mounts() -> String {
    std::fs::read_to_string("/proc/self/mountinfo").unwrap()
}

/// Returns the running processes that this case has started: their directories in /proc.
fn directories() -> Vec<PathBuf> {
    let mark = [MARK.as_bytes(), b"=", scratch().as_os_str().as_bytes(), b"\0"].concat();
    let entries = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let is_ours = |dir: &PathBuf| {
        let environment = std::fs::read(dir.join("environ")).unwrap_or_default();
        environment.windows(mark.len()).any(|window| window == mark)
    };
    entries.filter(is_ours).collect()
}

/// Returns those processes by pid and command line.
pub(crate) fn processes() -> Vec<String> {
    let shown = |dir: PathBuf| {
        let words = std::fs::read(dir.join("cmdline")).unwrap_or_default();
        format!("{}: {}", dir.display(), String::from_utf8_lossy(&words).replace('\0', " "))
    };
    directories().into_iter().map(shown).collect()
}

/// Ends those processes, when a case has failed.
pub(crate) fn kill_processes() {
    let number = |dir: &PathBuf| dir.file_name()?.to_str()?.parse().ok();
    for pid in directories().iter().filter_map(number).filter_map(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Waits until all processes that this case has started have ended.
pub(crate) fn assert_gone_within(limit: Duration, after: &str) {
    let start = Instant::now();
    loop {
        let left = processes();
        if left.is_empty() {
            return;
        }
        assert!(start.elapsed() < slower(limit), "{after}: after {limit:?} there is still {left:#?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Files, mounts and processes before and after.
pub(crate) struct Untouched {
    files: BTreeMap<PathBuf, String>,
    mounts: String,
}

impl Untouched {
    /// Records the present files, mounts and processes, and the copy of the program.
    pub(crate) fn now() -> Self {
        words(&[]);
        std::fs::create_dir_all(scratch().join(CHANGING)).unwrap();
        Self { files: picture(&scratch()), mounts: mounts() }
    }

    pub(crate) fn assert(&self, after: &str) {
        assert_gone_within(Duration::from_secs(1), after);
        assert_eq!(picture(&scratch()), self.files, "{after}");
        assert_eq!(mounts(), self.mounts, "{after}");
    }
}
