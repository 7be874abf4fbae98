// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The supervisor, outside of the namespaces: creates them, starts the init, passes signals on,
//! returns its status.

use crate::args::RunArgs;
use crate::output;
use crate::run::signals::{Signals, shell_status};
use crate::run::status::OWN_FAILURE;
use crate::run::terminal::Terminal;
use crate::verbose;
use fmountat::Operation;
use fmountat::{Error, ErrorKind, procfs};
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions};
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::Command;

pub(crate) fn run(args: &RunArgs, json: bool) -> u8 {
    match supervise(args, json) {
        Ok(status) => status,
        Err(error) => {
            output::error(&fmountat::diagnose(error), json);
            OWN_FAILURE
        }
    }
}

fn supervise(args: &RunArgs, json: bool) -> Result<u8, Error> {
    let mut signals = Signals::take(&[])
        .map_err(|e| Error::from_io(Operation::Program("set up signal handling"), "sigaction", e))?;
    let terminal = Terminal::of_caller();
    fmountat::unshare_mount_and_pid()?;
    let init = start_init(args, json, &terminal)?;
    let stops = terminal.stops(init);
    signals.pass_on_until_end(init, stops.as_ref(), |signal| terminal.deliver(init, signal));
    terminal.take_back();
    status_of(init)
}

/// Starts this program again, as the first process of the new pid namespace.
fn start_init(args: &RunArgs, json: bool, terminal: &Terminal) -> Result<Pid, Error> {
    let step = Operation::Program("start the init process");
    let program = procfs::program().map_err(|e| procfs::failed(step, "thread-self/exe", e))?;
    let mut command = Command::new(&program);
    command.arg0("fmountat").arg("__run-init").args(init_arguments(args, json, terminal.is_ours()));
    let child = command
        .spawn()
        .map_err(|e| Error::from_io(Operation::Program("start the init process"), program, e))?;
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    id.ok_or_else(|| {
        Error::from_io(
            Operation::Program("start the init process"),
            "pid",
            std::io::Error::from_raw_os_error(3),
        )
    })
}

fn init_arguments(args: &RunArgs, json: bool, foreground: bool) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec![format!("--supervisor={}", std::process::id()).into()];
    arguments.extend(json.then(|| "--json".into()));
    arguments.extend(verbose::is_on().then(|| "--verbose".into()));
    arguments.extend(foreground.then(|| "--foreground".into()));
    if let Some(directory) = &args.directory {
        arguments.extend(["-C".into(), directory.as_os_str().to_owned()]);
    }
    let mut option = |name: &str, value: &OsStr| {
        let mut argument = OsString::from(name);
        argument.push(value);
        arguments.push(argument);
    };
    for lower in &args.lowers {
        option("--lower=", lower.as_os_str());
    }
    for bind in &args.binds {
        option("--bind=", bind);
    }
    arguments.extend(args.spec.iter().map(|spec| spec.as_os_str().to_owned()));
    arguments.push("--".into());
    arguments.extend(args.command.iter().cloned());
    arguments
}

fn status_of(init: Pid) -> Result<u8, Error> {
    loop {
        let status = match rustix::process::waitpid(Some(init), WaitOptions::empty()) {
            Ok(Some((_, status))) => status,
            Ok(None) | Err(Errno::INTR) => continue,
            Err(errno) => {
                return Err(Error::from_io(
                    Operation::Program("wait for the init process"),
                    "waitpid",
                    errno.into(),
                ));
            }
        };
        if let Some(signal) = status.terminating_signal() {
            let reason = format!("the init was killed by signal {signal}");
            return Err(Error::new(ErrorKind::System, Operation::Program("run"), reason));
        }
        return Ok(shell_status(status).unwrap_or(OWN_FAILURE));
    }
}
