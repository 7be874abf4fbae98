// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmountat mount`: mounts one file system, or changes a mount.

use crate::args::MountArgs;
use crate::output;
use crate::report::{self, MountReport};
use crate::verbs::common::{namespace, start_directory};
use fmountat::options::{Mkdir, Options};
use fmountat::strategy::Strategy;
use fmountat::{
    Compat, Create, Error, ErrorKind, Mount, MountId, MountNamespace, Mounter, Operation, Plan, Spec, Target,
    remount,
};
use rustix::fd::OwnedFd;
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::path::Path;

pub(crate) fn run(args: &MountArgs, json: bool) -> Result<(), Error> {
    let dir = start_directory(args.directory.as_deref())?;
    let options = Options::parse(&args.options)?;
    let namespace = namespace(&dir, args.into.as_deref())?;
    if options.remount || is_propagation_alone(args, &options) {
        return change(args, &options, &dir, namespace, json);
    }
    let Some(source) = &args.source else {
        let reason = "SOURCE is missing: only a change of a mount has none";
        return Err(
            Error::new(ErrorKind::Usage, Operation::ReadCommandLine, reason).with_argument(&args.target)
        );
    };
    let new = |given: &[OsString]| mount_new(args, source, given, &dir, namespace.as_ref(), json);
    match new(&args.options) {
        // As mount(8) does. With the option `rw` it is an error, like every option that cannot take
        // effect.
        Err(error) if error.kind() == ErrorKind::ReadOnlyDevice && !options.superblock.contains(&"rw") => {
            new(&args.options.iter().cloned().chain(["ro".into()]).collect::<Vec<_>>())?;
            let path = output::escaped(source);
            output::message(&format!("{path} cannot be written to, mounted read-only"));
            Ok(())
        }
        done => done,
    }
}

fn change(
    args: &MountArgs,
    options: &Options,
    dir: &OwnedFd,
    namespace: Option<MountNamespace>,
    json: bool,
) -> Result<(), Error> {
    let target = match &namespace {
        Some(namespace) => {
            let target = namespace.target(&args.target)?;
            namespace.enter()?;
            target
        }
        None => Target::open(dir, &args.target)?,
    };
    let mut options = options.clone();
    let ignored = args.compat.map_or_else(Vec::new, |_| options.take_without_effect_in_remount());
    remount(&target, &options)?;
    let ignored: Vec<_> = ignored.into_iter().map(|option| (1, option)).collect();
    print(args, MountReport { changed: true, ..Default::default() }, &ignored, json)
}

fn mount_new(
    args: &MountArgs,
    source: &Path,
    given: &[OsString],
    dir: &OwnedFd,
    namespace: Option<&MountNamespace>,
    json: bool,
) -> Result<(), Error> {
    let options = Options::parse(given)?;
    // As mount(8) does: the type is detected from the image or device.
    let without = if options.bind.is_some() { "" } else { "auto" };
    let fstype = args.fstype.clone().unwrap_or_else(|| without.into());
    let is_bind = options.bind.is_some() || ["bind", "rbind"].iter().any(|bind| fstype == *bind);
    let mount = given.iter().fold(Mount::new(fstype, source), |m, o| m.option(o));
    let plan = Plan::new(Spec::new([mount]).compat(args.compat.map_or(Compat::Strict, Compat::from)))?;
    let here = Target::open(dir, ".")?;
    let mounter = Mounter::detached();
    if namespace.is_none() && mounter.strategy(&plan) == Strategy::StepByStep {
        let target = match options.mkdir {
            None => Target::open(dir, &args.target)?,
            Some(mkdir) => match kind_of_source(dir, source, is_bind, mkdir) {
                Err(error) if options.nofail && error.kind() == ErrorKind::NotFound => {
                    return left_out(args, &plan, json);
                }
                kind => Target::create(dir, &args.target, kind?)?,
            },
        };
        return match mounter.apply(dir, &plan, &target) {
            Err(error) if error.kind() == ErrorKind::AllLeftOut => left_out(args, &plan, json),
            Err(error) => Err(error),
            Ok(applied) => {
                target.keep();
                mounted(args, &plan, applied.id, json)
            }
        };
    }
    let built = match mounter.build(dir, &plan, &here) {
        Err(error) if error.kind() == ErrorKind::AllLeftOut => return left_out(args, &plan, json),
        built => built?,
    };
    let target = match (namespace, options.mkdir) {
        (Some(namespace), None) => namespace.target(&args.target)?,
        (Some(namespace), Some(mkdir)) => namespace.create(&args.target, mkdir.create(built.is_dir()?))?,
        (None, None) => Target::open(dir, &args.target)?,
        (None, Some(mkdir)) => Target::create(dir, &args.target, mkdir.create(built.is_dir()?))?,
    };
    let attached = match namespace {
        Some(namespace) => built.attach_in(namespace, &target)?,
        None => built.attach(&target)?,
    };
    mounted(args, &plan, attached.id(), json)
}

fn mounted(args: &MountArgs, plan: &Plan, id: MountId, json: bool) -> Result<(), Error> {
    print(args, MountReport { id: Some(id.get()), ..Default::default() }, plan.ignored(), json)
}

/// Prints that the mount was left out: its source does not exist, and `nofail` permits that.
fn left_out(args: &MountArgs, plan: &Plan, json: bool) -> Result<(), Error> {
    print(args, MountReport { left_out: &[1], ..Default::default() }, plan.ignored(), json)
}

fn print(
    args: &MountArgs,
    done: MountReport<'_>,
    ignored: &[(usize, OsString)],
    json: bool,
) -> Result<(), Error> {
    output::ignored(ignored, json);
    output::left_out(done.left_out, json);
    let (ignored, target) = (report::ignored(ignored), report::text(&args.target));
    output::result(&MountReport { ignored, target, ..done }, json)
}

/// Returns what to create as the mount point: a file for a bound file, else a directory.
fn kind_of_source(dir: impl AsFd, source: &Path, is_bind: bool, mkdir: Mkdir) -> Result<Create, Error> {
    let is_file = is_bind && !Target::open(dir, source)?.is_dir();
    Ok(mkdir.create(!is_file))
}

/// Returns whether only the propagation changes: `mount -o private none TARGET` is `mount
/// --make-private TARGET` (`mnt_context_propagation_only` in util-linux).
fn is_propagation_alone(args: &MountArgs, options: &Options) -> bool {
    let changes = options.attr.propagation.or(options.recursive_attr.propagation).is_some();
    let is_none = |name: Option<&OsStr>| name.is_none_or(|name| name == "none");
    let is_of_nothing =
        is_none(args.fstype.as_deref()) && is_none(args.source.as_deref().map(Path::as_os_str));
    changes && is_of_nothing && options.bind.is_none() && options.fs_options.is_empty()
}
