// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The supervisor, outside of the namespaces: creates them, starts the init, passes signals on,
//! returns its status.

use crate::kept::index::{keep_path, lock};
use crate::output;
use crate::patience::waiting;
use crate::run::bundle::Bundle;
use crate::run::identity::enter_namespaces;
use crate::run::own_program::OwnProgram;
use crate::run::privileges;
use crate::run::signals::{Signals, shell_status};
use crate::run::status::OWN_FAILURE;
use crate::run::terminal::Terminal;
use crate::run::words::with_separator;
use crate::run_args::RunArgs;
use fmountat::Operation;
use fmountat::call::close_on_exec_from;
use fmountat::namespace::UserNamespace;
use fmountat::{Error, ErrorKind};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitOptions};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The first descriptor that the command inherits only on request.
const FIRST_INHERITED: i32 = 3;

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
    let mut args = args.clone();
    let bundle = Bundle::read(&mut args)?;
    if let Some(bundle) = bundle.as_ref().filter(|_| args.strict) {
        bundle.need_all_done()?;
    }
    let user = bundle.map(|bundle| bundle.user);
    let args = &args;
    let mut signals = Signals::take(&[])
        .map_err(|e| Error::from_io(Operation::Program("set up signal handling"), "sigaction", e))?;
    let terminal = Terminal::of_caller();
    privileges::added(args)?;
    // Until the end of this process; the init must have no descriptor of the host.
    let keep = keep_path(args.directory.as_deref(), args.keep.as_deref());
    let _lock = keep.map(|directory| lock(&directory)).transpose()?;
    // A directory of the host that the caller has open would be a way out of the root.
    close_on_exec_from(FIRST_INHERITED, &args.keep_fds)?;
    let second = enter_namespaces(args, user.as_ref(), json)?;
    let (init, entered) = start_init(&terminal, second)?;
    let deliver = |signal| terminal.deliver(init, signal);
    let text = String::from("run: waiting for the file systems of the root");
    let is_waiting = waiting(text, json || args.quiet);
    if let Some(signal) = signals.pass_on_until_entered(&entered, deliver) {
        // The init may sleep in the kernel, for a file system that does not answer.
        let _ = rustix::process::kill_process(init, Signal::KILL);
        let _ = rustix::process::waitpid(Some(init), WaitOptions::empty());
        terminal.take_back();
        let text = format!("run: signal {signal} ended it before the command was started");
        output::info(&text, json);
        return Ok(u8::try_from(128 + signal).unwrap_or(OWN_FAILURE));
    }
    drop(is_waiting);
    let stops = terminal.stops(init);
    signals.pass_on_until_end(init, stops.as_ref(), |signal| terminal.deliver(init, signal));
    terminal.take_back();
    status_of(init)
}

/// Starts this program again, as the first process of the new pid namespace. Also returns the read
/// end of a pipe that ends when the init has entered the root, or has exited.
fn start_init(terminal: &Terminal, second: Option<UserNamespace>) -> Result<(Pid, OwnedFd), Error> {
    let pipe_failed =
        |errno: Errno| Error::from_io(Operation::Program("start the init process"), "pipe", errno.into());
    let (entered, until_entered) = pipe_with(PipeFlags::CLOEXEC).map_err(pipe_failed)?;
    for inherited in std::iter::once(until_entered.as_fd()).chain(second.as_ref().map(AsFd::as_fd)) {
        fcntl_setfd(inherited, FdFlags::empty()).map_err(pipe_failed)?;
    }
    let program = OwnProgram::open()?;
    let path = program.path()?;
    let mut command = Command::new(&path);
    command.arg0("fmountat");
    command.args(init_arguments(until_entered.as_fd(), second.as_ref().map(AsFd::as_fd), terminal.is_ours()));
    let child =
        command.spawn().map_err(|e| Error::from_io(Operation::Program("start the init process"), path, e))?;
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    id.map(|init| (init, entered)).ok_or_else(|| {
        Error::from_io(
            Operation::Program("start the init process"),
            "pid",
            std::io::Error::from_raw_os_error(3),
        )
    })
}

/// Returns this program's own arguments, with the hidden verb and its options in place of `run`.
fn init_arguments(
    entered: BorrowedFd<'_>,
    second: Option<BorrowedFd<'_>>,
    foreground: bool,
) -> Vec<OsString> {
    let mut own: Vec<OsString> = vec!["__run-init".into()];
    own.push(format!("--supervisor={}", std::process::id()).into());
    own.push(format!("--entered={}", entered.as_raw_fd()).into());
    own.extend(foreground.then(|| "--foreground".into()));
    own.extend(second.map(|fd| format!("--second={}", fd.as_raw_fd()).into()));
    let mut arguments = with_separator(std::env::args_os().collect());
    arguments.remove(0);
    let verb = arguments.iter().position(|word| word == "run").unwrap_or_default();
    arguments.splice(verb..=verb, own);
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
