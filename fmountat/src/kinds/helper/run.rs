// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Programs that mount or unmount, found in directories and run in bounded time, with the last of what they say.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::sys::pid_namespace::would_be_first;
use crate::sys::spawn::spawn::{Ended, Program, run};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{Access, CWD, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

/// How much of the output is kept, in bytes: the end of it.
const OUTPUT_KEPT: usize = 4096;

const STEP: Operation = Operation::RunMountHelper;

/// Runs a program in the directory, for the limit at most: how it ended, and the last of what it said. No SIGCHLD comes of
/// it, and no `wait` finds a child; the calling thread sleeps, with its signals blocked save those that
/// end the process.
pub(crate) fn run_program(
    dir: BorrowedFd<'_>,
    argv: &[CString],
    limit: Duration,
) -> Result<(Ended, Vec<String>)> {
    refuse_first_of_namespace()?;
    let failed = |(call, errno)| Error::sys(STEP, call, errno);
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let output = rustix::fs::memfd_create("output", flags).map_err(|e| failed((Syscall::MemfdCreate, e)))?;
    let open = |path: &str, flags| {
        rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty())
            .map_err(|e| failed((Syscall::Open, e)).with_argument(path))
    };
    let input = open("/dev/null", OFlags::RDWR)?;
    let variables = std::env::vars_os();
    let environment: Vec<CString> = variables
        .filter_map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok())
        .collect();
    let is_cwd = dir.as_raw_fd() == CWD.as_raw_fd();
    let cwd = if is_cwd { Some(open(".", OFlags::PATH | OFlags::DIRECTORY)?) } else { None };
    let program = Program {
        argv,
        environment: &environment,
        dir: cwd.as_ref().map_or(dir, AsFd::as_fd),
        input: input.as_fd(),
        output: output.as_fd(),
        limit,
    };
    let ended = run(&program).map_err(|(call, errno)| match (call, errno) {
        (Syscall::Execve, Errno::NOENT) => failed((call, errno)).with_kind(ErrorKind::HelperMissing),
        (Syscall::Waitpid, Errno::SRCH) => {
            failed((call, errno)).with_reason("somebody killed the process that waits for it")
        }
        _ => failed((call, errno)),
    })?;
    Ok((ended, last_lines(output)))
}

/// The first process of a pid namespace takes all others with it when it ends, and nothing that the program leaves running
/// would live.
fn refuse_first_of_namespace() -> Result<()> {
    if !would_be_first() {
        return Ok(());
    }
    let reason = "it would be the first process of the new pid namespace, and take all others with it";
    let error = Error::new(ErrorKind::Unsupported, STEP, reason);
    Err(error.with_hint("after unshare(CLONE_NEWPID) or its like start another process first, which stays"))
}

fn last_lines(output: OwnedFd) -> Vec<String> {
    // What a daemon goes on saying to nobody would fill the memory for as long as it lives. Where it can't be sealed, it
    // has been mapped, and that can be no help.
    let _ = rustix::fs::fcntl_add_seals(&output, SealFlags::WRITE | SealFlags::GROW);
    let (mut output, mut bytes) = (File::from(output), Vec::new());
    // Without its words the failure is still told.
    let length = output.metadata().map_or(0, |meta| meta.len());
    let start = length.saturating_sub(OUTPUT_KEPT as u64);
    let _ = output.seek(std::io::SeekFrom::Start(start)).and_then(|_| output.read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    text.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// A program in the directories of PATH.
pub(crate) fn in_path(name: &str) -> Option<PathBuf> {
    look(&path_directories(), OsStr::new(name))
}

/// The directories of PATH.
pub(crate) fn path_directories() -> Vec<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect()
}

/// A program in one of the directories. What an empty or relative one means depends on who asks: none is searched.
pub(crate) fn look(dirs: &[PathBuf], name: &OsStr) -> Option<PathBuf> {
    let absolute = dirs.iter().filter(|dir| dir.is_absolute());
    absolute
        .map(|dir| dir.join(name))
        .find(|path| path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok())
}
