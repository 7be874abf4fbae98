// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Child processes. Each error names the command and its exit status.

use crate::error::{Error, Result};
use std::ffi::OsStr;
use std::io::{self, Write};
use std::process::{Command, ExitStatus, Output, Stdio};

/// Returns a command without the variables that `cargo run` sets.
///
/// `LD_LIBRARY_PATH` would make a test load other libraries than by hand.
pub(crate) fn new(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_remove("LD_LIBRARY_PATH").env_remove("CARGO");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|n| n.starts_with("CARGO_PKG_") || n.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    command
}

/// Returns the program and its arguments in one line.
fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

fn start_error(command: &Command, cause: &io::Error) -> Error {
    Error::new(format!("start `{}`: {cause}", describe(command)))
}

fn check(command: &Command, status: ExitStatus) -> Result {
    if status.success() { Ok(()) } else { Err(Error::new(format!("`{}`: {status}", describe(command)))) }
}

/// Runs a command to its end and returns its status.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    command.status().map_err(|cause| start_error(command, &cause))
}

/// Runs a command that must succeed.
pub(crate) fn run(command: &mut Command) -> Result {
    let status = status(command)?;
    check(command, status)
}

fn capture(command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let child = command.spawn().map_err(|cause| start_error(command, &cause))?;
    child
        .wait_with_output()
        .map_err(|cause| Error::new(format!("read from `{}`: {cause}", describe(command))))
}

/// Returns what a command that must succeed writes to stdout.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = capture(command)?;
    check(command, output.status)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Returns what a command writes to stdout, whatever its status, and hides its stderr.
pub(crate) fn read_leniently(command: &mut Command) -> Result<String> {
    let output = capture(command.stderr(Stdio::null()))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs `first | second` with `input` as the stdin of `first`. Both must succeed.
pub(crate) fn pipe(input: &[u8], first: &mut Command, second: &mut Command) -> Result {
    first.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut writer = first.spawn().map_err(|cause| start_error(first, &cause))?;
    let stdin = writer.stdin.take();
    second.stdin(writer.stdout.take().map_or_else(Stdio::null, Stdio::from));
    let mut reader = match second.spawn() {
        Ok(reader) => reader,
        Err(cause) => {
            drop(stdin);
            let _ = writer.kill();
            let _ = writer.wait();
            return Err(start_error(second, &cause));
        }
    };
    // `Command` keeps the read end open. `first` must get EPIPE when `second` ends early.
    second.stdin(Stdio::null());
    let written = stdin.map_or(Ok(()), |mut pipe| pipe.write_all(input));
    let first_status = writer.wait().map_err(|cause| start_error(first, &cause))?;
    let second_status = reader.wait().map_err(|cause| start_error(second, &cause))?;
    check(first, first_status)?;
    check(second, second_status)?;
    written.map_err(|cause| Error::new(format!("write to `{}`: {cause}", describe(first))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_command_and_its_status() {
        let error = run(new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert_eq!(error.text, "`sh -c exit 3`: exit status: 3");
        let error = read(&mut new("/nowhere/program")).unwrap_err();
        assert!(error.text.starts_with("start `/nowhere/program`: No such file"), "{}", error.text);
    }

    #[test]
    fn output_is_returned_and_leniently_a_failure_is_no_error() {
        assert_eq!(read(new("echo").arg("a b")).unwrap(), "a b\n");
        assert_eq!(
            read_leniently(new("sh").args(["-c", "echo some; echo x >&2; exit 1"])).unwrap(),
            "some\n"
        );
    }

    #[test]
    fn both_ends_of_a_pipe_must_succeed() {
        pipe(b"text", &mut new("cat"), new("grep").args(["-q", "text"])).unwrap();
        let error = pipe(b"", new("sh").args(["-c", "exit 4"]), &mut new("cat")).unwrap_err();
        assert_eq!(error.text, "`sh -c exit 4`: exit status: 4");
        let error = pipe(b"text", &mut new("cat"), new("sh").args(["-c", "cat > /dev/null; exit 5"]));
        assert_eq!(error.unwrap_err().text, "`sh -c cat > /dev/null; exit 5`: exit status: 5");
    }
}
