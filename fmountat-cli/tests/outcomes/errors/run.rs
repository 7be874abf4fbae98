// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs a situation on a fixture of its own and collects fmountat's error, as JSON and as text, and
//! that of mount(8).

use super::row::{Ours, Row, Who};
use crate::fixture::{mounts, with_fixture};
use fmountat_testing::{binary, command_output, read, scratch};
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A device name that no text contains.
const NO_DEVICE: &str = "/dev/none-of-these";

/// The error that a program reported.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReportedError {
    pub(crate) code: String,
    pub(crate) step: String,
    pub(crate) argument: String,
    pub(crate) errno: i64,
    pub(crate) hint: String,
    /// The whole message, line by line, without what differs from run to run.
    pub(crate) text: String,
    pub(crate) status: i32,
    /// Whether the failed command left the mount table unchanged.
    pub(crate) is_clean: bool,
}

/// Creates an ext4 image, and copies the program to a directory from which all users can run it.
pub(crate) fn prepare() {
    File::create(scratch().join("image")).unwrap().set_len(4 << 20).unwrap();
    command_output(Command::new("mkfs.ext4").arg("-q").arg(scratch().join("image")));
    let program = scratch().join("fmountat");
    std::fs::copy(binary(env!("CARGO_BIN_EXE_fmountat")), &program).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
}

/// Runs the situation with fmountat.
pub(crate) fn ours(row: &Row) -> ReportedError {
    with_fixture(|dir| match row.ours {
        Ours::Call(_, call) => {
            let error = call(dir);
            let text = normalized(&format!("fmountat: {error}"), dir, NO_DEVICE);
            ReportedError {
                code: error.code().to_owned(),
                step: error.step(),
                argument: error.argument().map(|a| a.to_string_lossy().into_owned()).unwrap_or_default(),
                errno: error.errno().into(),
                hint: error.hint().unwrap_or_default().to_owned(),
                text,
                status: 32,
                is_clean: true,
            }
        }
        Ours::Line(line) => {
            let program = scratch().join("fmountat").display().to_string();
            let (json, text) = (scratch().join("json"), scratch().join("text"));
            let say = |flag: &str, to: &Path| {
                format!("{} {program} {flag} {line} 2> {}", row.who.prefix(), to.display())
            };
            let script = format!("{}\n{}", say("--json", &json), say("", &text));
            let (status, device, is_clean) = shell(row, dir, &script);
            let value: serde_json::Value =
                serde_json::from_str(read(&json).lines().next().unwrap_or_default())
                    .unwrap_or_else(|e| panic!("{}: {e}: {}", row.name, read(&json)));
            let error = &value["error"];
            let field = |name: &str| error[name].as_str().unwrap_or_default().replace(&device, "DEVICE");
            ReportedError {
                code: field("code"),
                step: field("step"),
                argument: field("argument"),
                errno: error["errno"].as_i64().unwrap_or(0),
                hint: field("hint"),
                text: normalized(&read(&text), dir, &device),
                status,
                is_clean,
            }
        }
    })
}

/// Runs the situation with mount(8) or umount(8), if the row has a command line for them.
pub(crate) fn theirs(row: &Row) -> Option<ReportedError> {
    let line = row.theirs.filter(|line| !line.is_empty())?;
    Some(with_fixture(|dir| {
        let text = scratch().join("text");
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        let program = command_output(Command::new("sh").args(["-c", &format!("command -v {name}")]));
        let script = format!("{} {} {rest} 2> {}", row.who.prefix(), program.trim(), text.display());
        let (status, device, is_clean) = shell(row, dir, &script);
        ReportedError {
            text: normalized(&read(&text), dir, &device),
            status,
            is_clean,
            ..ReportedError::default()
        }
    }))
}

/// Runs the preparation and the script. Returns the exit status, the loop device that stood for
/// `DEVICE` or `READONLY`, and whether the script left the mounts unchanged.
fn shell(row: &Row, dir: &Path, script: &str) -> (i32, String, bool) {
    let all = format!("{}{script}", row.before);
    let access = ["DEVICE", "READONLY"].into_iter().find(|word| all.contains(word));
    let device = access.map(|access| Device::on(&dir.join("image"), access == "READONLY"));
    let name = device.as_ref().map_or(NO_DEVICE, |device| &device.name).to_owned();
    std::fs::create_dir(dir.join("bin")).unwrap();
    let (input, before) = match row.before.strip_prefix("INPUT=") {
        Some(input) => (input, ":"),
        None => ("", if row.before.is_empty() { ":" } else { row.before }),
    };
    fmountat_testing::write(scratch().join("input"), input);
    let path = match row.who {
        Who::NoPrograms => "mount -t tmpfs x /usr/sbin; mount -t tmpfs x /usr/local/sbin; PATH=$PWD/bin",
        _ => ":",
    };
    let script = format!("{{ {before}\n}} > /dev/null 2>&1\n{path}\necho ready; read go\n{script}\n")
        .replace("DEVICE", &name)
        .replace("READONLY", &name);
    // `apply -` reads the list each time anew.
    let script =
        script.replace("apply - t", &format!("apply - t < {}", scratch().join("input").display())).replace(
            "apply --replace - t",
            &format!("apply --replace - t < {}", scratch().join("input").display()),
        );
    let run = || {
        if row.who == Who::Filtered {
            let calls = [libc::SYS_fsmount, libc::SYS_fspick, libc::SYS_mount];
            fmountat_testing::filter::errno_on(&calls, libc::EPERM as u32);
        }
        let mut child = Command::new("/bin/sh")
            .arg("-c")
            .arg(&script)
            .current_dir(dir)
            .env("LC_ALL", "C")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = child.stdout.take().unwrap();
        std::io::Read::read_exact(&mut out, &mut [0u8; 6]).unwrap();
        let before = mounts(dir);
        drop(child.stdin.take());
        let status = child.wait().unwrap().code().expect("an exit status");
        (status, mounts(dir) == before)
    };
    // A seccomp filter can't be removed, so a thread of its own installs it.
    let (status, is_clean) = std::thread::scope(|scope| scope.spawn(run).join().expect("it ran"));
    if ["DEVICE s", "image s"].iter().any(|mounted| row.before.ends_with(mounted)) {
        let _ = Command::new("umount").args(["-q", "s"]).current_dir(dir).status();
    }
    (status, if device.is_some() { name } else { String::from(NO_DEVICE) }, is_clean)
}

/// Replaces the parts of the text that differ between runs: paths, device names, pids, long
/// numbers.
fn normalized(text: &str, dir: &Path, device: &str) -> String {
    let text = text.trim_end().replace(&dir.display().to_string(), "/DIR");
    let text = text.replace(&scratch().display().to_string(), "/TMP");
    let short = device.strip_prefix("/dev/").unwrap_or("no device");
    let text = text.replace(device, "DEVICE").replace(&format!("  kernel: {short}:"), "  kernel: loopN:");
    let mut out = String::new();
    for piece in text.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let digits = piece.trim_end_matches(|c: char| !c.is_ascii_digit());
        let before = ["(pid ", "descriptor ", "loop"].iter().any(|word| out.ends_with(word));
        let is_pid = before && !digits.is_empty();
        match is_pid || digits.len() >= 5 {
            true => out.push_str(&format!("N{}", &piece[digits.len()..])),
            false => out.push_str(piece),
        }
    }
    out
}

/// A loop device that is freed when this value is dropped or the process is killed.
struct Device {
    name: String,
    _open: File,
}

impl Device {
    fn on(file: &Path, is_read_only: bool) -> Self {
        let mut losetup = Command::new("losetup");
        losetup.args(["--find", "--show"]).args(is_read_only.then_some("--read-only")).arg(file);
        let name = command_output(&mut losetup).trim().to_owned();
        let open = File::open(&name).unwrap();
        // Detaching an open device takes effect when its last user closes it.
        command_output(Command::new("losetup").arg("--detach").arg(&name));
        Self { name, _open: open }
    }
}

/// Returns the path of a page.
pub(crate) fn docs(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs")).join(name)
}
