// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the verbs share: reading what the command line names.

use crate::args::CompatArg;
use fmountat::{Compat, Error, Errors, Operation, Spec};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags};
use std::io::Read;
use std::path::Path;

/// A verb's outcome: every error it met.
pub(crate) type Outcome = Result<(), Errors>;

/// The directory that relative paths start at.
pub(crate) fn start_directory(given: Option<&Path>) -> Result<OwnedFd, Error> {
    let path = given.unwrap_or(Path::new("."));
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty())
        .map_err(|e| Error::from_io(Operation::OpenDirectory, path, e.into()))
}

/// The set from a file below `dir`, or from stdin for `-`.
pub(crate) fn read_spec(dir: &OwnedFd, spec: &Path) -> Result<Spec, Error> {
    Spec::from_json(&read_file(dir, spec, Operation::ReadMountList)?).map_err(|e| e.with_argument(spec))
}

/// The bytes of a file below `dir`, or of stdin for `-`.
pub(crate) fn read_file(dir: &OwnedFd, path: &Path, operation: Operation) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut text)
    } else {
        rustix::fs::openat(dir, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(std::io::Error::from)
            .and_then(|fd| std::fs::File::from(fd).read_to_end(&mut text))
    };
    read.map_err(|e| Error::from_io(operation, path, e))?;
    Ok(text)
}

/// What becomes of words without effect.
pub(crate) fn compat(given: Option<CompatArg>) -> Compat {
    match given {
        Some(CompatArg::Containerd) => Compat::Containerd,
        None => Compat::Strict,
    }
}

/// The running kernel's number, which no other boot has: the ids of mounts are given again after it.
pub(crate) fn boot() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}
