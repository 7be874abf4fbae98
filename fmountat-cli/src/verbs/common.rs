// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Functions that several verbs share: they open the files that the command line names.

use crate::mount_args::CompatArg;
use crate::set_args::SetArgs;
use fmountat::oci::NotDone;
use fmountat::{
    Compat, Error, ErrorKind, Errors, MountNamespace, Mounter, Operation, Plan, Spec, Target, read_only_view,
};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The outcome of a verb, with all its errors.
pub(crate) type Outcome = Result<(), Errors>;

/// The maximum size of an input file, in bytes: enough for 500,000 mounts.
const FILE_MAX: u64 = 64 << 20;

/// Opens the directory of `-C`, or the current one.
pub(crate) fn start_directory(given: Option<&Path>) -> Result<OwnedFd, Error> {
    let path = given.unwrap_or(Path::new("."));
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty())
        .map_err(|e| Error::from_io(Operation::OpenDirectory, path, e.into()))
}

/// Opens a target. An error says which part of the path is missing.
pub(crate) fn open_target(dir: &OwnedFd, path: &Path) -> Result<Target, Error> {
    Target::open(dir, path).map_err(|error| fmountat::diagnose_at(error, dir))
}

/// Reads a set from a file; `dir` resolves a relative path, and `-` is stdin.
pub(crate) fn read_spec(dir: &OwnedFd, spec: &Path) -> Result<Spec, Error> {
    Spec::from_json(&read_file(dir, spec, Operation::ReadMountList)?).map_err(|e| e.with_argument(spec))
}

/// Reads a file; `dir` resolves a relative path, and `-` is stdin.
pub(crate) fn read_file(dir: &OwnedFd, path: &Path, operation: Operation) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(FILE_MAX + 1).read_to_end(&mut text)
    } else {
        rustix::fs::openat(dir, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(std::io::Error::from)
            .and_then(|fd| std::fs::File::from(fd).take(FILE_MAX + 1).read_to_end(&mut text))
    };
    read.map_err(|e| Error::from_io(operation, path, e))?;
    if text.len() as u64 > FILE_MAX {
        let reason = format!("is larger than {} MiB", FILE_MAX >> 20);
        return Err(Error::new(ErrorKind::Spec, operation, reason).with_argument(path));
    }
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

/// Opens the mount namespace of `--into`. A number is a process id. Any other value is a path,
/// relative to `dir`.
pub(crate) fn open_namespace(dir: &OwnedFd, into: Option<&OsStr>) -> Result<Option<MountNamespace>, Error> {
    let Some(into) = into else { return Ok(None) };
    let opened = match into.to_str().and_then(|text| text.parse().ok()) {
        Some(pid) => MountNamespace::from_pid(pid),
        None => MountNamespace::from_file(dir, into),
    };
    opened.map(Some)
}

/// Returns the boot id. Mount ids are unique within one boot only.
pub(crate) fn boot_id() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

/// Holds the paths of the command line: SPEC (none with --bundle) and TARGET (none if the set needs
/// no target).
#[derive(Debug, Clone, Copy)]
pub(crate) struct SetPaths<'a> {
    pub(crate) spec: Option<&'a Path>,
    pub(crate) target: Option<&'a Path>,
}

/// Holds the plan that `apply` carries out and `explain` describes.
pub(crate) struct Prepared {
    /// The directory that resolves the target.
    pub(crate) dir: OwnedFd,
    /// The directory that resolves relative sources and layers.
    pub(crate) sources: OwnedFd,
    /// The parts of an OCI configuration that fmountat leaves to the caller.
    pub(crate) not_done: Vec<NotDone>,
    pub(crate) plan: Plan,
    pub(crate) mounter: Mounter,
}

/// Reads and plans the set. With `--strict`, refuses a set that needs more than one step to
/// publish, and a replacement with a gap between the old set and the new one.
pub(crate) fn prepare(args: &SetArgs, paths: SetPaths<'_>, replace: bool) -> Result<Prepared, Error> {
    let dir = start_directory(args.directory.as_deref())?;
    let (mut spec, sources) = read_set(&dir, args, paths)?;
    if args.strict {
        spec.need_all_done()?;
    }
    if args.view {
        spec.mounts = read_only_view(&spec.mounts);
    }
    let spec = spec.with_cgroups()?;
    let not_done = spec.not_done.clone();
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
    Ok(Prepared { dir, sources, not_done, plan, mounter })
}

/// Reads the set, and opens the directory of its relative sources.
fn read_set(dir: &OwnedFd, args: &SetArgs, paths: SetPaths<'_>) -> Result<(Spec, OwnedFd), Error> {
    let sources = |path: &Path| {
        rustix::fs::openat(dir, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|e| Error::from_io(Operation::OpenDirectory, path, e.into()))
    };
    if let Some(bundle) = &args.bundle {
        let sources = sources(bundle)?;
        let spec = read_spec(&sources, Path::new("config.json"))?.with_root_path()?;
        return Ok((spec, sources));
    }
    let path = paths.spec.unwrap_or(Path::new("-"));
    let mut spec = read_spec(dir, path)?;
    // If TARGET is the `root.path` of the configuration, this set carries out `root.path`.
    let bundle = path.parent().unwrap_or(Path::new(""));
    let is_target =
        |root: &PathBuf| paths.target.is_some_and(|target| is_same_file(dir, &bundle.join(root), target));
    if spec.root_path.as_ref().is_some_and(is_target) {
        spec.not_done.retain(|part| part.path != "root.path");
    }
    Ok((spec, sources(Path::new("."))?))
}

/// Reports whether both paths exist and lead to the same file.
fn is_same_file(dir: &OwnedFd, one: &Path, other: &Path) -> bool {
    let id = |path: &Path| {
        let stat = rustix::fs::statat(dir, path, AtFlags::empty()).ok()?;
        Some((stat.st_dev, stat.st_ino))
    };
    id(one).is_some_and(|one| id(other) == Some(one))
}
