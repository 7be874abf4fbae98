// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The first process of the pid namespace: builds the root, enters it, starts the command, reaps until it ends.

use super::OWN_FAILURE;
use super::signals::{Event, Signals, pass_on, shell_status};
use crate::args::{InitArgs, RunArgs};
use crate::output;
use crate::verbs::{read_spec, start_directory};
use fmountat::{Error, Mount, Mounter, Plan, standard_mounts};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// As shells have it: found and not runnable; not found.
const NOT_RUNNABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

pub(crate) fn run(args: &InitArgs, json: bool) -> u8 {
    match start(args, json) {
        Ok(status) => status,
        Err(error) => {
            output::error(&error, json);
            OWN_FAILURE
        }
    }
}

fn start(args: &InitArgs, json: bool) -> Result<u8, Error> {
    end_with_the_supervisor(args.supervisor)?;
    let signals = Signals::take().map_err(|e| Error::from_io("take signals", "sigaction", e))?;
    let cwd = std::env::current_dir().ok();
    let keeps_cwd = enter_root(&args.run, json)?;
    if let Some(cwd) = cwd.filter(|_| keeps_cwd) {
        // A directory that the copy doesn't have leaves us at `/`, as any login shell would.
        let _ = std::env::set_current_dir(cwd);
    }
    Ok(run_command(&args.run.command, signals))
}

/// The kernel kills us when the supervisor ends; if it ended before we asked for that, our parent is another already.
fn end_with_the_supervisor(supervisor: i32) -> Result<(), Error> {
    let step = "tie to the supervisor";
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|e| Error::from_io(step, "prctl", e.into()))?;
    // getppid(2) is 0 here, in the new pid namespace; the /proc of the old one still counts as outside.
    let status = std::fs::read_to_string("/proc/self/status")
        .map_err(|e| Error::from_io(step, "/proc/self/status", e))?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    if parent.is_some_and(|pid| pid.trim().parse() == Ok(supervisor)) {
        return Ok(());
    }
    Err(Error::from_io(step, "it has ended", std::io::Error::from(Errno::SRCH)))
}

/// Builds and enters the root; says whether the caller's cwd means the same place in it.
fn enter_root(args: &RunArgs, json: bool) -> Result<bool, Error> {
    let dir = start_directory(args.directory.as_deref())?;
    let is_machine = args.lowers.iter().any(|lower| lower == Path::new("/"));
    let mut mounts = match &args.spec {
        Some(spec) => read_spec(&dir, spec)?,
        None if args.lowers.is_empty() => Vec::new(),
        None => standard_mounts(),
    };
    for bind in &args.binds {
        mounts.push(bind_mount(bind));
    }
    let plan = if mounts.is_empty() { None } else { Some(Plan::new(&mounts)?) };
    let lowers: &[PathBuf] = &args.lowers;
    let (built, not_covered) = Mounter::detached().build_throwaway(&dir, lowers, plan.as_ref())?;
    if !json {
        output::not_covered(&not_covered);
    }
    drop(dir);
    built.enter()?;
    Ok(is_machine)
}

/// `SRC[:DST[:OPTIONS]]`.
fn bind_mount(text: &OsStr) -> Mount {
    let mut parts = text.as_bytes().splitn(3, |b| *b == b':').map(OsStr::from_bytes);
    let source = parts.next().unwrap_or_default();
    let target = parts.next().filter(|t| !t.is_empty()).unwrap_or(source);
    let mount = Mount::new("bind", source).at(target).option("rbind,X-mount.mkdir");
    match parts.next() {
        Some(options) => mount.option(options),
        None => mount,
    }
}

fn run_command(words: &[OsString], mut signals: Signals) -> u8 {
    let Some((program, arguments)) = words.split_first() else {
        return NOT_FOUND;
    };
    let child = match Command::new(program).args(arguments).spawn() {
        Ok(child) => child,
        Err(error) => {
            let is_missing = error.kind() == std::io::ErrorKind::NotFound;
            output::error(&Error::from_io("run", program, error), false);
            return if is_missing { NOT_FOUND } else { NOT_RUNNABLE };
        }
    };
    let Some(command) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else {
        return OWN_FAILURE;
    };
    loop {
        for event in signals.wait() {
            match event {
                Event::Sent(signal) => pass_on(command, signal),
                Event::Child => {
                    if let Some(status) = reap(command) {
                        return status;
                    }
                }
            }
        }
    }
}

/// Reaps every child that has ended, also those that were left to us; the command's status ends us.
fn reap(command: Pid) -> Option<u8> {
    loop {
        match rustix::process::waitpid(None, WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == command => {
                if let Some(status) = shell_status(status) {
                    return Some(status);
                }
            }
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) | Err(_) => return None,
        }
    }
}
