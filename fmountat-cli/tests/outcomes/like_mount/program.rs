// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A command line given to one of the two programs, and what it did.

use super::rows::Row;
use crate::fixture::{mounts, with_fixture};
use fmountat_testing::{binary, command_output, scratch};
use std::fmt;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Who is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Program {
    Mount8,
    Fmountat,
}

/// The outcome of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) status: i32,
    /// The first line on stderr, in the program's own words.
    message: String,
    /// The mounts that are new or not as they were.
    pub(crate) changed: Vec<String>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.status, self.changed.as_slice()) {
            (0, []) => write!(f, "nothing changes"),
            (0, changed) => write!(f, "{}", changed.join("; ")),
            (status, []) => write!(f, "{status}: {}", self.message),
            (status, changed) => write!(f, "{status}: {}; {}", self.message, changed.join("; ")),
        }
    }
}

fn image() -> PathBuf {
    scratch().join("image")
}

/// An ext4 that each row with a device gets a copy of.
pub(crate) fn make_image() {
    File::create(image()).unwrap().set_len(4 << 20).unwrap();
    command_output(Command::new("mkfs.ext4").arg("-q").arg(image()));
}

/// Runs the row on a new fixture.
pub(crate) fn run(program: Program, row: &Row) -> Outcome {
    with_fixture(|dir| {
        std::fs::copy(image(), dir.join("image")).unwrap();
        let device = row.line.contains("DEVICE").then(|| Device::on(&dir.join("image"), row));
        let name = device.as_ref().map_or("", |device| &device.name);
        let before = mounts(dir);
        let mut command = match program {
            Program::Mount8 => Command::new("mount"),
            Program::Fmountat => Command::new(binary(env!("CARGO_BIN_EXE_fmountat"))),
        };
        if let Program::Fmountat = program {
            command.arg("mount");
        }
        command.args(
            row.line.split(' ').map(|word| word.replace("PROTECTED-DEVICE", name).replace("DEVICE", name)),
        );
        let output = command.current_dir(dir).env("LC_ALL", "C").stdin(Stdio::null()).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        let mut changed: Vec<String> =
            mounts(dir).into_iter().filter(|mount| !before.contains(mount)).collect();
        if row.line.contains("X-mount.") {
            changed.extend(
                ["t", "new", "new/place", "new/file"].iter().filter_map(|name| changed_mode(dir, name)),
            );
        }
        let status = output.status.code().expect("an exit status");
        Outcome { status, message: in_short(&message, dir, name), changed }
    })
}

/// Mode and owner of the files that `X-mount.` options make or change.
fn changed_mode(dir: &Path, name: &str) -> Option<String> {
    let meta = std::fs::metadata(dir.join(name)).ok()?;
    let is_new = name != "t" || meta.mode() & 0o7777 != 0o755 || meta.uid() != 0;
    is_new.then(|| format!("{name}: {:o} {}:{}", meta.mode(), meta.uid(), meta.gid()))
}

/// Returns the first line without the program's name and without what differs from run to run.
fn in_short(message: &str, dir: &Path, device: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let line = ["mount: ", "fmountat: "].iter().find_map(|name| line.strip_prefix(name)).unwrap_or(line);
    let line = line.replace(&format!("{}/", dir.display()), "");
    if device.is_empty() { line } else { line.replace(device, "DEVICE") }
}

/// A loop device that is freed when this value is dropped or the process is killed.
struct Device {
    name: String,
    _open: File,
}

impl Device {
    fn on(file: &Path, row: &Row) -> Self {
        let mut command = Command::new("losetup");
        if row.line.contains("PROTECTED-DEVICE") {
            command.arg("--read-only");
        }
        let name = command_output(command.args(["--find", "--show"]).arg(file)).trim().to_owned();
        let open = File::open(&name).unwrap();
        // Detaching an open device takes effect when its last user closes it.
        command_output(Command::new("losetup").arg("--detach").arg(&name));
        Self { name, _open: open }
    }
}
