// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The test run: `libtest-mimic` selects and counts the cases, and each runs in its own process.

use crate::early::Early;
use crate::inside::{ORDINARY, run_case, try_user_namespaces};
use crate::mounts::lines_that_mention;
use crate::need::Machine;
use crate::report::Outcome;
use crate::stop::{self, Trial};
use crate::{Case, Need, scratch};
use libtest_mimic::{Arguments, Completion, Failed};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::MemfdFlags;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The first argument with which a test binary runs one case in its own process: `INSIDE NAME
/// SCRATCH`.
///
/// A case that observes a whole process, for example under strace(1), starts its own binary with
/// it.
pub const INSIDE: &str = "--inside";
const TRY_USER_NAMESPACES: &str = "--try-user-namespaces";

/// Runs the cases that the command line selects: the `main` of a test binary.
/// [`tests!`](crate::tests) calls it.
#[must_use]
pub fn run(cases: &'static [Case]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [INSIDE, name, scratch] => {
            let case = cases.iter().find(|case| case.name == name).expect("a case of that name");
            run_case(case, Path::new(scratch));
            ExitCode::SUCCESS
        }
        [TRY_USER_NAMESPACES] => match try_user_namespaces() {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                let _ = std::io::stdout().write_all(why.as_bytes());
                ExitCode::FAILURE
            }
        },
        _ => run_all(cases),
    }
}

/// Runs the cases of several files, each named `FILE::CASE`. [`test_files!`](crate::test_files)
/// calls it.
///
/// # Panics
/// If the name of one file ends with that of another: the filter `FILE::` would select the
/// cases of both.
#[must_use]
pub fn run_files(files: &[(&str, &[Case])]) -> ExitCode {
    for (file, _) in files {
        let same_end = files.iter().filter(|(other, _)| other.ends_with(file)).count();
        assert_eq!(same_end, 1, "the filter {file}:: is for more than one file");
    }
    let named = |file: &str, case: &Case| Case { name: format!("{file}::{}", case.name).leak(), ..*case };
    let cases = files.iter().flat_map(|(file, cases)| cases.iter().map(move |case| named(file, case)));
    run(cases.collect::<Vec<_>>().leak())
}

fn run_all(cases: &'static [Case]) -> ExitCode {
    let arguments = Arguments::from_args();
    stop::watch();
    let machine = Arc::new(Machine::probe(user_namespaces()));
    let trials = cases.iter().map(|case| {
        let machine = Arc::clone(&machine);
        libtest_mimic::Trial::ignorable_test(case.name, move || trial(case, &machine))
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    stop::await_the_signals_end();
    conclusion.exit_code()
}

fn trial(case: &Case, machine: &Machine) -> Result<Completion, Failed> {
    let start = Instant::now();
    let outcome = match machine.unmet(case.needs) {
        Some(why) => why,
        None => in_scratch(case).unwrap_or_else(Outcome::Failed),
    };
    outcome.report(case.name, start.elapsed());
    let (word, why) = match outcome {
        Outcome::Passed => return Ok(Completion::Completed),
        Outcome::Failed(why) => return Err(Failed::from(why)),
        Outcome::Skipped(why) => ("skipped", why),
        Outcome::Unsupported(why) => ("unsupported", why),
    };
    if std::env::var_os("FMOUNTAT_NO_SKIP").is_some() {
        return Err(Failed::from(why));
    }
    // One write keeps the line whole beside those of other threads.
    let line = format!("{word}: {}: {why}\n", case.name);
    let _ = std::io::stderr().write_all(line.as_bytes());
    Ok(Completion::ignored_with(why))
}

/// Runs the case in a new scratch directory. A failure before the case begins is an outcome too, so
/// that every case has one.
fn in_scratch(case: &Case) -> Result<Outcome, String> {
    let _running = Trial::begin().ok_or("the test run is to end")?;
    let path = scratch::make().map_err(|e| format!("make a scratch directory: {e}"))?;
    let outcome = outside(case, &path).unwrap_or_else(|e| Outcome::Failed(e.to_string()));
    // Nothing below a mount is deleted: any file system could be mounted there.
    let mounted = lines_that_mention(&path);
    if !mounted.is_empty() {
        return Ok(Outcome::Failed(format!("mounted outside of the case's namespace: {mounted:#?}")));
    }
    match (scratch::remove(&path), outcome) {
        (Err(error), Outcome::Passed) => Ok(Outcome::Failed(error.to_string())),
        (_, outcome) => Ok(outcome),
    }
}

/// Runs the case in a child process, and returns its outcome.
fn outside(case: &Case, scratch: &Path) -> std::io::Result<Outcome> {
    let limit = Duration::from_secs(seconds());
    let mut output = File::from(rustix::fs::memfd_create("output", MemfdFlags::CLOEXEC)?);
    let mut command = myself();
    command.arg(INSIDE).arg(case.name).arg(scratch);
    if case.needs.contains(&Need::User) {
        command.env("HOME", scratch);
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(scratch, Some(ORDINARY), Some(ORDINARY))?;
        }
    }
    command.stdout(output.try_clone()?).stderr(output.try_clone()?);
    let ended = wait(&mut command.process_group(0).spawn()?, limit)?;
    let mut text = Vec::new();
    output.rewind()?;
    output.read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    match ended {
        Some(status) if status.success() => {
            show_counts(case, &text);
            Ok(Outcome::Passed)
        }
        Some(status) => match Early::of_process(status.code(), &text) {
            Some(early) => Ok(early.into()),
            None => Ok(Outcome::Failed(format!("{}\n{text}", describe(status)))),
        },
        None => Ok(Outcome::Failed(format!("not done after {} s, killed\n{text}", limit.as_secs()))),
    }
}

/// Prints the counts of a passing case, and nothing else of its output.
fn show_counts(case: &Case, text: &str) {
    for line in text.lines().filter_map(|line| line.strip_prefix("counted: ")) {
        let line = format!("counted: {}: {line}\n", case.name);
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

/// Waits for a child and kills its process group. Returns `None` if the time limit was reached
/// first.
fn wait(child: &mut Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let pid = Pid::from_child(child);
    stop::remember(pid);
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    let in_time = readable_within(&pidfd, limit)?;
    // The child is not reaped yet, so the number of the group cannot be reused.
    match kill_process_group(pid, Signal::KILL) {
        Ok(()) | Err(Errno::SRCH | Errno::PERM) => {}
        Err(errno) => return Err(errno.into()),
    }
    stop::forget(pid);
    let status = child.wait()?;
    Ok(in_time.then_some(status))
}

fn readable_within(pidfd: &rustix::fd::OwnedFd, limit: Duration) -> std::io::Result<bool> {
    let end = Instant::now() + limit;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(std::io::Error::other)?;
        match poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&timeout)) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn user_namespaces() -> Result<(), String> {
    let output = myself().arg(TRY_USER_NAMESPACES).output().map_err(|e| e.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stdout).into_owned()),
    }
}

fn myself() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.stdin(Stdio::null());
    command
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(101), _) => String::from("panicked"),
        (Some(code), _) => format!("exit status {code}"),
        (None, signal) => format!("killed by signal {}", signal.unwrap_or_default()),
    }
}

fn seconds() -> u64 {
    let set = std::env::var("FMOUNTAT_TEST_SECONDS").ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(300)
}
