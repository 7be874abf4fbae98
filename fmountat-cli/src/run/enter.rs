// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Builds the root of the command line or of a bundle, and enters it.

use crate::kept::index::keep_path;
use crate::output;
use crate::run::bundle::{Bundle, without_privilege};
use crate::run::extra_mounts::extra_mounts;
use crate::run::root::{self, Changes};
use crate::run_args::RunArgs;
use crate::verbs::{read_spec, start_directory};
use fmountat::kernel::Features;
use fmountat::oci::standard_mounts;
use fmountat::{Error, Mount, Operation, Spec};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::mount::MountPropagationFlags;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Describes the root that was entered.
pub(crate) struct Root {
    /// The caller's current directory is the same path in it.
    pub(crate) keeps_cwd: bool,
    /// The mounts that the list makes shared.
    pub(crate) shared: Vec<PathBuf>,
}

/// Builds and enters the root.
pub(crate) fn enter_root(
    args: &RunArgs,
    bundle: Option<Bundle>,
    in_user_namespace: bool,
    json: bool,
) -> Result<Root, Error> {
    let (dir, mut spec) = match bundle {
        Some(bundle) => of_bundle(bundle, args, in_user_namespace, json),
        None => of_command_line(args),
    }?;
    let is_host = args.lowers.iter().any(|lower| lower == Path::new("/"));
    spec.mounts.extend(extra_mounts(args)?);
    if !args.share_sys && !spec.mounts.is_empty() && is_root_of_the_machine() {
        spec = spec.read_only(KERNEL_SETTINGS);
        // The standard /sys is read-only already.
        spec = spec.read_only(args.spec.as_ref().or(args.bundle.as_ref()).map(|_| "/sys"));
    }
    let spec = spec.with_cgroups()?;
    let keep = keep_path(args.directory.as_deref(), args.keep.as_deref()).map(|path| {
        std::fs::canonicalize(&path).map_err(|e| Error::from_io(Operation::OpenDirectory, path, e))
    });
    let keep = keep.transpose()?;
    let changes = keep.as_deref().map_or(Changes::Memory(args.size.as_deref()), Changes::Directory);
    let (built, not_overlaid) =
        root::build(dir.as_fd(), &args.lowers, changes, &spec).map_err(in_another_run)?;
    if !args.quiet {
        output::not_overlaid(&not_overlaid, json);
    }
    drop(dir);
    built.enter()?;
    Ok(Root { keeps_cwd: is_host, shared: shared_mounts(&spec) })
}

/// Returns the directory of relative paths, and the mounts besides those of options.
fn of_command_line(args: &RunArgs) -> Result<(OwnedFd, Spec), Error> {
    let dir = match start_directory(args.directory.as_deref()) {
        Err(_) if names_no_relative_path(args) => {
            let _ = std::env::set_current_dir("/");
            start_directory(None)
        }
        opened => opened,
    }?;
    let spec = match &args.spec {
        Some(spec) => read_spec(&dir, spec)?,
        None if args.lowers.is_empty() => Spec::default(),
        None => default_mounts(args).into(),
    };
    Ok((dir, spec))
}

/// Returns the bundle's directory and its mounts. Lists the parts that are not done.
fn of_bundle(
    bundle: Bundle,
    args: &RunArgs,
    in_user_namespace: bool,
    json: bool,
) -> Result<(OwnedFd, Spec), Error> {
    let Bundle { directory, mut spec, not_done, .. } = bundle;
    if !args.quiet {
        output::parts_not_done(&not_done, json);
    }
    if in_user_namespace {
        without_privilege(&mut spec.mounts);
    }
    spec.mounts.extend(terminal_mount());
    Ok((directory, spec))
}

/// Reports whether the current directory is not needed, which may be one that cannot be opened.
fn names_no_relative_path(args: &RunArgs) -> bool {
    let binds = args.binds.iter().chain(&args.ro_binds).all(|bind| bind.as_bytes().starts_with(b"/"));
    let lowers = args.lowers.iter().all(|lower| lower.is_absolute());
    args.directory.is_none() && args.spec.is_none() && binds && lowers
}

/// Returns the mounts of a root without a mount list.
fn default_mounts(args: &RunArgs) -> Vec<Mount> {
    let mut mounts = standard_mounts();
    if args.share_sys {
        let sys = mounts.iter_mut().filter(|mount| mount.target == Path::new("/sys"));
        sys.for_each(|mount| mount.options = vec!["rbind,nofail,X-mount.mkdir".into()]);
    }
    mounts.extend(terminal_mount());
    mounts
}

/// Returns the mount of the terminal on /dev/console. A devpts of its own does not have it, and
/// ttyname(3) looks for it in /dev.
fn terminal_mount() -> Option<Mount> {
    let name = rustix::termios::ttyname(std::io::stdin(), Vec::new()).ok()?;
    let options = "bind,ro,nofail,X-mount.mkdir";
    Some(Mount::new("bind", OsStr::from_bytes(name.as_bytes())).at("/dev/console").option(options))
}

/// Adds the hint for root in the root of another `fmountat run`, who may not mount proc.
fn in_another_run(error: Error) -> Error {
    let is_refused = error.errno() == Errno::PERM.raw_os_error() && is_root_of_the_machine();
    if !is_refused || Features::get().initial_user_namespace {
        return error;
    }
    error.with_hint("as root, `fmountat run` in `fmountat run` needs --cap-add SYS_ADMIN of the outer one")
}

/// Settings of the kernel that user 0 of the machine may change without any capability.
const KERNEL_SETTINGS: [&str; 5] = ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs"];

/// Reports whether our user is user 0 of the machine, by whatever name this user namespace has for
/// it. That user owns the settings of the kernel.
fn is_root_of_the_machine() -> bool {
    let settings = rustix::fs::stat("/proc/sys/kernel").map(|stat| stat.st_uid);
    settings.is_ok_and(|owner| owner == rustix::process::geteuid().as_raw())
}

/// Returns the targets of the mounts that a list makes shared.
fn shared_mounts(spec: &Spec) -> Vec<PathBuf> {
    let is_shared = |mount: &&Mount| {
        let mut options = mount.options.iter().flat_map(|option| option.as_bytes().split(|b| *b == b','));
        options.any(|option| option == b"shared" || option == b"rshared")
    };
    spec.mounts.iter().filter(is_shared).map(|mount| Path::new("/").join(&mount.target)).collect()
}

/// Makes these mounts shared in the second mount namespace, in which they are slaves.
pub(crate) fn share_again(mounts: &[PathBuf]) -> Result<(), Error> {
    mounts.iter().try_for_each(|path| {
        rustix::mount::mount_change(path, MountPropagationFlags::SHARED)
            .map_err(|e| Error::from_io(Operation::Program("make mount shared"), path, e.into()))
    })
}
