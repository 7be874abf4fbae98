// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finds programs that mount or unmount and runs them with a time limit.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::sys::pid_namespace::would_be_first;
use crate::sys::spawn::spawn::{Ended, Program, run};
use crate::vfs::bytes::c_string;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{Access, CWD, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The number of bytes of output that are kept, from its end.
const OUTPUT_KEPT: usize = 4096;

const STEP: Operation = Operation::RunMountHelper;

/// Runs a program in a directory, at most for `limit`. Returns its exit status, signal or timeout,
/// and the last lines of its output. Causes no SIGCHLD, and `wait` of the caller finds no child.
/// The calling thread sleeps with its signals blocked, except those that terminate the process.
pub(crate) fn run_program(
    dir: BorrowedFd<'_>,
    arguments: &[OsString],
    limit: Duration,
) -> Result<(Ended, Vec<String>)> {
    let argv = arguments.iter().map(|argument| c_string(Operation::ReadHelperArgument, argument));
    let argv = argv.collect::<Result<Vec<_>>>()?;
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
        argv: &argv,
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

/// Refuses to start process 1 of a pid namespace: its exit would destroy the namespace.
fn refuse_first_of_namespace() -> Result<()> {
    if !would_be_first() {
        return Ok(());
    }
    let reason = "it would be the first process of the new pid namespace, and take all others with it";
    let error = Error::new(ErrorKind::Unsupported, STEP, reason);
    Err(error.with_hint("after unshare(CLONE_NEWPID) or its like start another process first, which stays"))
}

fn last_lines(output: OwnedFd) -> Vec<String> {
    // A daemon that continues to write would fill the memory. Sealing fails for a mapped file.
    let _ = rustix::fs::fcntl_add_seals(&output, SealFlags::WRITE | SealFlags::GROW);
    let (mut output, mut bytes) = (File::from(output), Vec::new());
    // If reading fails, the error is reported without output.
    let length = output.metadata().map_or(0, |meta| meta.len());
    let start = length.saturating_sub(OUTPUT_KEPT as u64);
    let _ = output.seek(std::io::SeekFrom::Start(start)).and_then(|_| output.read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    text.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Runs `fusermount3 -u`, or `fusermount -u` if that is not installed, on a name in the directory,
/// so that no path component can be exchanged. Returns `None` if it cannot be run.
pub(crate) fn fusermount(
    dir: BorrowedFd<'_>,
    name: &OsStr,
    lazy: bool,
    limit: Duration,
) -> Option<(Ended, Vec<String>)> {
    let path = path_directories();
    let program = ["fusermount3", "fusermount"].iter().find_map(|name| find(&path, OsStr::new(name)))?;
    let name = Path::new(".").join(name).into_os_string();
    let lazy = lazy.then(|| OsString::from("-z"));
    let arguments =
        [program.into_os_string(), "-u".into()].into_iter().chain(lazy).chain(["--".into(), name]);
    run_program(dir, &arguments.collect::<Vec<_>>(), limit).ok()
}

/// Returns the directories of PATH.
pub(crate) fn path_directories() -> Vec<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect()
}

/// Returns the path of a program in one of the directories. Skips those that are not absolute.
pub(crate) fn find(dirs: &[PathBuf], name: &OsStr) -> Option<PathBuf> {
    let absolute = dirs.iter().filter(|dir| dir.is_absolute());
    absolute
        .map(|dir| dir.join(name))
        .find(|path| path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok())
}
