// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The init, the first process of the pid namespace: builds the root, enters it, starts the command
//! and reaps children.

use crate::output;
use crate::run::bundle::{Bundle, User};
use crate::run::enter::{enter_root, share_again};
use crate::run::privileges;
use crate::run::signals::{Signals, shell_status};
use crate::run::status::OWN_FAILURE;
use crate::run::terminal::{CONTINUE_IN_BACKGROUND, CONTINUE_IN_FOREGROUND, Job};
use crate::run_args::{InitArgs, RunArgs};
use fmountat::Operation;
use fmountat::namespace::{Namespaces, UserNamespace};
use fmountat::{Error, ErrorKind, procfs};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The exit status of shells for a command that cannot be executed, and for one that is not found.
const NOT_RUNNABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

pub(crate) fn run(args: &InitArgs, json: bool) -> u8 {
    match start(args, json) {
        Ok(status) => status,
        Err(error) => {
            output::error(&fmountat::diagnose(error), json);
            OWN_FAILURE
        }
    }
}

fn start(args: &InitArgs, json: bool) -> Result<u8, Error> {
    // Otherwise the number of a descriptor would be its name in ps(1).
    let _ = rustix::thread::set_name(c"fmountat");
    end_with_the_supervisor(args.supervisor)?;
    let more: &[i32] = if args.foreground { &[CONTINUE_IN_FOREGROUND, CONTINUE_IN_BACKGROUND] } else { &[] };
    let signals = Signals::take(more)
        .map_err(|e| Error::from_io(Operation::Program("set up signal handling"), "sigaction", e))?;
    let cwd = std::env::current_dir().ok();
    let second = args.second.map(take_namespace).transpose()?;
    let mut run = args.run.clone();
    let bundle = Bundle::read(&mut run)?;
    let user = bundle.as_ref().map(|bundle| bundle.user.clone());
    let root = enter_root(&run, bundle, second.is_some(), json)?;
    if let Some(second) = &second {
        enter_second(second, &run)?;
        share_again(&root.shared)?;
    }
    if let Some(name) = &run.hostname {
        set_hostname(name)?;
    }
    change_directory(run.chdir.as_deref(), cwd.filter(|_| root.keeps_cwd))?;
    privileges::restrict(&run, second.is_some())?;
    // In the second user namespace the command has its ids already.
    let user = user.filter(|_| second.is_none() && !run.root);
    drop(second);
    // Before the command starts: it must not inherit the pipe.
    let _ = nix::unistd::close(args.entered);
    run_command(&run, user.as_ref(), args.foreground, signals, json)
}

/// Asks the kernel to kill this process when the supervisor ends. If the supervisor has ended
/// before, this process has another parent, which is an error.
fn end_with_the_supervisor(supervisor: i32) -> Result<(), Error> {
    let step = Operation::Program("set the parent death signal");
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|e| Error::from_io(step, "prctl", e.into()))?;
    // getppid(2) returns 0 in the new pid namespace. The /proc of the outer one has the outer
    // number.
    let status =
        procfs::text("thread-self/status").map_err(|e| procfs::failed(step, "thread-self/status", e))?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    if parent.is_some_and(|pid| pid.trim().parse() == Ok(supervisor)) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::System, step, "/proc shows another parent process").with_hint(
        "either the supervisor has ended, or /proc is of another pid namespace: mount proc on /proc",
    ))
}

/// Opens the user namespace of an inherited descriptor, which is closed. Needs the old /proc.
fn take_namespace(inherited: i32) -> Result<UserNamespace, Error> {
    let step = Operation::Program("open the user namespace");
    let namespace = procfs::reopen(inherited, OFlags::RDONLY)
        .map_err(|e| procfs::failed(step, &format!("thread-self/fd/{inherited}"), e))?;
    let _ = nix::unistd::close(inherited);
    Ok(namespace.into())
}

/// Enters the second user namespace. It owns the name of the host, too.
fn enter_second(second: &UserNamespace, args: &RunArgs) -> Result<(), Error> {
    let mut owned = Namespaces::MOUNT;
    owned.set(Namespaces::UTS, !args.share_uts);
    second.enter(owned)
}

fn set_hostname(name: &OsStr) -> Result<(), Error> {
    rustix::system::sethostname(name.as_bytes())
        .map_err(|e| Error::from_io(Operation::Program("set the host name"), name, e.into()))
}

/// Changes to the directory in which the command starts.
fn change_directory(wanted: Option<&Path>, callers: Option<PathBuf>) -> Result<(), Error> {
    if let Some(directory) = wanted {
        return std::env::set_current_dir(directory)
            .map_err(|e| Error::from_io(Operation::Program("change directory"), directory, e));
    }
    if let Some(directory) = callers {
        // If the copy lacks the directory, the command starts in `/`, like a login shell without a
        // home.
        let _ = std::env::set_current_dir(directory);
    }
    Ok(())
}

fn run_command(
    run: &RunArgs,
    user: Option<&User>,
    foreground: bool,
    mut signals: Signals,
    json: bool,
) -> Result<u8, Error> {
    let Some((program, arguments)) = run.command.split_first() else {
        return Ok(NOT_FOUND);
    };
    let mut command = Command::new(program);
    command.args(arguments);
    set_environment(&mut command, run);
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
    if foreground {
        command.process_group(0);
    }
    let (start, started) = std::sync::mpsc::channel::<Job>();
    // Reaping and passing on signals must not wait for each other.
    let passing_on = move || {
        if let Ok(job) = started.recv() {
            if job.has_terminal {
                // Before the command had the terminal, ^C reached this process only.
                signals.pass_on_from_the_keyboard(|signal| job.deliver(signal));
            }
            signals.pass_on_until_end(job.command, None, |signal| job.deliver(signal));
        }
    };
    std::thread::Builder::new()
        .spawn(passing_on)
        .map_err(|e| Error::from_io(Operation::Program("start a thread for signals"), "clone", e))?;
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            if matches!(Errno::from_io_error(&error), Some(Errno::AGAIN | Errno::NOMEM)) {
                return Err(Error::from_io(Operation::Program("create a process for"), program, error));
            }
            let is_missing = error.kind() == std::io::ErrorKind::NotFound || !is_in_path(program);
            output::error(&Error::from_io(Operation::Program("run"), program, error), json);
            return Ok(if is_missing { NOT_FOUND } else { NOT_RUNNABLE });
        }
    };
    let job = Job { command: Pid::from_child(&child), has_terminal: foreground };
    job.start();
    // The thread has not ended.
    let _ = start.send(job);
    Ok(reap_until_end(job))
}

fn set_environment(command: &mut Command, args: &RunArgs) {
    if args.clearenv {
        command.env_clear();
    }
    for name in &args.unsetenv {
        command.env_remove(name);
    }
    for pair in args.setenv.chunks_exact(2) {
        command.env(&pair[0], &pair[1]);
    }
}

/// Returns whether the program exists. If PATH has a directory that may not be searched, execvp(3)
/// fails with `EACCES` for a program that does not exist.
fn is_in_path(program: &OsStr) -> bool {
    if program.as_bytes().contains(&b'/') {
        return true;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// Reaps children, orphans included, until the command ends. Returns its exit status.
fn reap_until_end(job: Job) -> u8 {
    loop {
        match rustix::process::wait(WaitOptions::UNTRACED) {
            Ok(Some((pid, status))) if pid == job.command => {
                if let Some(status) = shell_status(status) {
                    return status;
                }
                if let Some(signal) = status.stopping_signal() {
                    job.stopped(signal);
                }
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return OWN_FAILURE,
        }
    }
}
