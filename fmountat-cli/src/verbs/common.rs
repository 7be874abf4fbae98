// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the verbs share: reading what the command line names.

use crate::args::{CompatArg, SetArgs};
use fmountat::{Compat, Error, Errors, MountNamespace, Mounter, Operation, Plan, Spec, read_only_view};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags};
use std::ffi::OsStr;
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

impl From<CompatArg> for Compat {
    fn from(given: CompatArg) -> Self {
        match given {
            CompatArg::Containerd => Self::Containerd,
            CompatArg::Oci => Self::Oci,
        }
    }
}

/// The mount namespace of `--into`, opened before anything is built: a number is a process's, all else a path, which starts
/// at `dir`.
pub(crate) fn namespace(dir: &OwnedFd, into: Option<&OsStr>) -> Result<Option<MountNamespace>, Error> {
    let Some(into) = into else { return Ok(None) };
    let opened = match into.to_str().and_then(|text| text.parse().ok()) {
        Some(pid) => MountNamespace::of_process(pid),
        None => MountNamespace::open(dir, into),
    };
    opened.map(Some)
}

/// The running kernel's number, which no other boot has: the ids of mounts are given again after it.
pub(crate) fn boot() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

/// What `apply` carries out and `explain` describes.
pub(crate) struct Prepared {
    /// Relative paths start here.
    pub(crate) dir: OwnedFd,
    pub(crate) plan: Plan,
    pub(crate) mounter: Mounter,
}

/// Reads the set; with `--strict` it is refused here if others could see it half done, or half swapped.
pub(crate) fn prepare(args: &SetArgs, replace: bool) -> Result<Prepared, Error> {
    let dir = start_directory(args.directory.as_deref())?;
    let mut spec = read_spec(&dir, &args.spec)?;
    if args.view {
        spec.mounts = read_only_view(&spec.mounts);
    }
    let spec = spec.with_cgroups()?;
    let compat = args.compat.map_or(spec.compat, Compat::from);
    let plan = Plan::new(spec.compat(compat))?;
    let mounter = Mounter::detached();
    if replace {
        mounter.need_no_helper(&plan)?;
    }
    if args.strict {
        mounter.need_one_step(&plan)?;
        if replace {
            mounter.need_swap_without_gap()?;
        }
    }
    Ok(Prepared { dir, plan, mounter })
}
