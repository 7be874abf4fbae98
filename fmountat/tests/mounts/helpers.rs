// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Helpers that are shell scripts, calls of them, and the processes that they leave.

use fmountat::helper::Helper;
use fmountat::{Error, Target};
use fmountat_testing::{command_output, scratch, write};
use rustix::fs::CWD;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) fn file(path: &str) -> PathBuf {
    scratch().join(path)
}

/// Returns a helper for the type `script` that is a shell script.
pub(crate) fn script(body: &str) -> Helper {
    script_for("mount.script", body);
    found()
}

/// Writes a shell script as the program `name`.
pub(crate) fn script_for(name: &str, body: &str) {
    let path = file("bin").join(name);
    write(&path, format!("#!/bin/sh\n{body}\n"));
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// Returns the helper that [`script`] has written, also in another process.
pub(crate) fn found() -> Helper {
    Helper::find_in("script", &[], &[file("bin")]).unwrap().unwrap()
}

pub(crate) fn mount(helper: &Helper, target: &str, limit: Duration) -> Result<(), Error> {
    let target = Target::open(CWD, file(target)).unwrap();
    let options = ["ro".into(), "a,b".into(), OsString::from("x y")];
    helper.mount(CWD, "the source", &target, &options, limit).map(drop)
}

/// A time limit that no helper reaches.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Returns the ids and command lines of the processes whose command line contains `text`.
pub(crate) fn with_numbers(text: &str) -> Vec<(i32, String)> {
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        let number = path.file_name()?.to_str()?.parse().ok()?;
        let line = std::fs::read(path.join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        (line.contains(text) && !line.contains(fmountat_testing::INSIDE)).then_some((number, line))
    });
    all.collect()
}

/// Returns the command lines that contain `text`.
pub(crate) fn processes(text: &str) -> Vec<String> {
    with_numbers(text).into_iter().map(|(_, line)| line).collect()
}

/// Sends a signal to the processes whose command line contains `text`.
pub(crate) fn signal(text: &str, signal: Signal) {
    for (number, _) in with_numbers(text) {
        let _ = kill_process(Pid::from_raw(number).unwrap(), signal);
    }
}

/// Waits until no command line contains `text`. After ten seconds, kills the processes and fails.
pub(crate) fn gone(text: &str) {
    gone_within(text, Duration::from_secs(10));
}

/// Like [`gone`], with a time limit.
pub(crate) fn gone_within(text: &str, time: Duration) {
    let end = Instant::now() + time;
    while !processes(text).is_empty() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
    let left = processes(text);
    signal(text, Signal::KILL);
    assert_eq!(left, Vec::<String>::new());
}

/// Returns a command that never ends and that no other case uses. With inotify(7) its death can
/// take seconds: the kernel waits for a grace period.
pub(crate) fn marked_sleep() -> String {
    write(file("marked_sleep"), "");
    format!("tail ---disable-inotify -f {}", file("marked_sleep").display())
}

/// Returns a squashfs image with the file `who`.
pub(crate) fn image() -> PathBuf {
    write(file("tree/who"), "by FUSE");
    let mut pack = Command::new("mksquashfs");
    command_output(pack.arg(file("tree")).arg(file("image")).args(["-noappend", "-quiet"]));
    file("image")
}
