// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The process outside: makes the namespaces, starts the init, passes signals on, and takes its status.

use super::OWN_FAILURE;
use super::signals::{Event, Signals, pass_on, shell_status};
use crate::args::RunArgs;
use crate::output;
use fmountat::Error;
use rustix::process::{Pid, WaitOptions};
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::Command;

pub(crate) fn run(args: &RunArgs, json: bool) -> u8 {
    match supervise(args, json) {
        Ok(status) => status,
        Err(error) => {
            output::error(&error, json);
            OWN_FAILURE
        }
    }
}

fn supervise(args: &RunArgs, json: bool) -> Result<u8, Error> {
    let mut signals = Signals::take().map_err(|e| Error::from_io("take signals", "sigaction", e))?;
    fmountat::unshare_mount_and_pid()?;
    let init = start_init(args, json)?;
    loop {
        for event in signals.wait() {
            match event {
                Event::Sent(signal) => pass_on(init, signal),
                Event::Child => {
                    if let Some(status) = ended(init)? {
                        return Ok(status);
                    }
                }
            }
        }
    }
}

/// This program again, as the first process of the new pid namespace.
fn start_init(args: &RunArgs, json: bool) -> Result<Pid, Error> {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("fmountat").arg("__run-init").args(init_arguments(args, json));
    let child = command.spawn().map_err(|e| Error::from_io("start the init", "/proc/self/exe", e))?;
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    id.ok_or_else(|| Error::from_io("start the init", "pid", std::io::Error::from_raw_os_error(3)))
}

fn init_arguments(args: &RunArgs, json: bool) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec![format!("--supervisor={}", std::process::id()).into()];
    words.extend(json.then(|| "--json".into()));
    let mut option = |name: &str, value: &OsStr| {
        let mut word = OsString::from(name);
        word.push(value);
        words.push(word);
    };
    if let Some(directory) = &args.directory {
        option("-C", directory.as_os_str());
    }
    for lower in &args.lowers {
        option("--lower=", lower.as_os_str());
    }
    for bind in &args.binds {
        option("--bind=", bind);
    }
    words.extend(args.spec.iter().map(|spec| spec.as_os_str().to_owned()));
    words.push("--".into());
    words.extend(args.command.iter().cloned());
    words
}

fn ended(init: Pid) -> Result<Option<u8>, Error> {
    match rustix::process::waitpid(Some(init), WaitOptions::NOHANG) {
        Ok(Some((_, status))) if status.exited() => Ok(shell_status(status)),
        Ok(Some((_, status))) if status.signaled() => {
            let signal = status.terminating_signal().unwrap_or_default();
            output::note(&format!("run: the init was killed by signal {signal}"));
            Ok(Some(OWN_FAILURE))
        }
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(None),
        Err(errno) => Err(Error::from_io("wait for the init", "waitpid", errno.into())),
    }
}
