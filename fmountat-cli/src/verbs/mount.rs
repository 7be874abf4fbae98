// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmountat mount`: mounts one file system, or changes a mount.

use crate::mount_args::MountArgs;
use crate::output;
use crate::patience::waiting;
use crate::report::{self, MountReport};
use crate::verbs::common::{open_namespace, open_target, start_directory};
use crate::verbs::mount_request::MountRequest;
use fmountat::options::{Mkdir, Options};
use fmountat::strategy::Strategy;
use fmountat::{
    Compat, Create, Error, ErrorKind, Mount, MountId, MountNamespace, Mounter, Operation, Plan, Spec, Target,
    diagnose_at, remount,
};
use rustix::fd::OwnedFd;
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::path::Path;

pub(crate) fn run(args: &MountArgs, json: bool) -> Result<(), Error> {
    let dir = start_directory(args.directory.as_deref())?;
    let request = args.request()?;
    let options = Options::parse(&request.options)?;
    let namespace = open_namespace(&dir, args.into.as_deref())?;
    if args.moves {
        return move_mount(args, &request, &dir, json);
    }
    if options.remount || is_propagation_alone(args, &request, &options) {
        return change(args, &request, &options, &dir, namespace, json);
    }
    let Some(source) = &request.source else { return Err(source_missing(&request)) };
    let call = NewMount { args, target: &request.target, dir: &dir, namespace: namespace.as_ref(), json };
    let new = |given: &[OsString]| call.mount(source, given);
    match new(&request.options) {
        // As mount(8) does. With the option `rw` it is an error, like every option that cannot take
        // effect.
        Err(error) if error.kind() == ErrorKind::ReadOnlyDevice && !options.superblock.contains(&"rw") => {
            new(&request.options.iter().cloned().chain(["ro".into()]).collect::<Vec<_>>())?;
            let path = output::escaped(source);
            output::message(&format!("{path} cannot be written to, mounted read-only"));
            Ok(())
        }
        done => done,
    }
}

fn source_missing(request: &MountRequest) -> Error {
    let reason = "SOURCE is missing; only a remount or a propagation change takes TARGET alone";
    Error::new(ErrorKind::Usage, Operation::ReadCommandLine, reason).with_argument(&request.target)
}

/// Moves the mount at SOURCE to TARGET.
fn move_mount(args: &MountArgs, request: &MountRequest, dir: &OwnedFd, json: bool) -> Result<(), Error> {
    let Some(source) = &request.source else { return Err(source_missing(request)) };
    let (from, to) = (open_target(dir, source)?, open_target(dir, &request.target)?);
    if !args.fake {
        from.move_mount_to(&to)?;
    }
    print(args, &request.target, MountReport { changed: true, ..Default::default() }, &[], json)
}

fn change(
    args: &MountArgs,
    request: &MountRequest,
    options: &Options,
    dir: &OwnedFd,
    namespace: Option<MountNamespace>,
    json: bool,
) -> Result<(), Error> {
    let target = match &namespace {
        Some(namespace) => {
            let target = namespace.target(&request.target)?;
            namespace.enter()?;
            target
        }
        None => open_target(dir, &request.target)?,
    };
    let mut options = options.clone();
    let ignored = args.compat.map_or_else(Vec::new, |_| options.take_without_effect_in_remount());
    if !args.fake {
        remount(&target, &options)?;
    }
    let ignored: Vec<_> = ignored.into_iter().map(|option| (1, option)).collect();
    print(args, &request.target, MountReport { changed: true, ..Default::default() }, &ignored, json)
}

/// A new mount at TARGET.
struct NewMount<'a> {
    args: &'a MountArgs,
    target: &'a Path,
    dir: &'a OwnedFd,
    namespace: Option<&'a MountNamespace>,
    json: bool,
}

impl NewMount<'_> {
    fn mount(&self, source: &Path, given: &[OsString]) -> Result<(), Error> {
        let Self { args, dir, namespace, .. } = *self;
        let options = Options::parse(given)?;
        // As mount(8) does: the type is detected from the image or device.
        let without = if options.bind.is_some() { "" } else { "auto" };
        let fstype = args.fstype.clone().unwrap_or_else(|| without.into());
        let is_bind = options.bind.is_some() || ["bind", "rbind"].iter().any(|bind| fstype == *bind);
        let mount = given.iter().fold(Mount::new(fstype, source), |m, o| m.option(o));
        let plan = Plan::new(Spec::new([mount]).compat(args.compat.map_or(Compat::Strict, Compat::from)))?;
        let here = Target::open(dir, ".")?;
        let mounter = Mounter::detached();
        if args.fake {
            return self.explain(&mounter, &plan);
        }
        let path = output::escaped(self.target);
        let text = format!("mount on {path}: waiting for the file system or its mount helper");
        let _waiting = waiting(text, self.json);
        if namespace.is_none() && mounter.strategy(&plan) == Strategy::StepByStep {
            let target = match options.mkdir {
                None => open_target(dir, self.target)?,
                Some(mkdir) => match kind_of_source(dir, source, is_bind, mkdir) {
                    Err(error) if options.nofail && error.kind() == ErrorKind::NotFound => {
                        return self.left_out(&plan);
                    }
                    kind => Target::create(dir, self.target, kind?).map_err(|e| diagnose_at(e, dir))?,
                },
            };
            return match mounter.apply(dir, &plan, &target) {
                Err(error) if error.kind() == ErrorKind::AllLeftOut => self.left_out(&plan),
                Err(error) => Err(error),
                Ok(applied) => {
                    target.keep();
                    self.mounted(&plan, applied.id)
                }
            };
        }
        let built = match mounter.build(dir, &plan, &here) {
            Err(error) if error.kind() == ErrorKind::AllLeftOut => return self.left_out(&plan),
            built => built?,
        };
        let target = match (namespace, options.mkdir) {
            (Some(namespace), None) => namespace.target(self.target)?,
            (Some(namespace), Some(mkdir)) => namespace.create(self.target, mkdir.create(built.is_dir()?))?,
            (None, None) => open_target(dir, self.target)?,
            (None, Some(mkdir)) => {
                let create = mkdir.create(built.is_dir()?);
                Target::create(dir, self.target, create).map_err(|e| diagnose_at(e, dir))?
            }
        };
        let attached = match namespace {
            Some(namespace) => built.attach_in(namespace, &target)?,
            None => built.attach(&target)?,
        };
        self.mounted(&plan, attached.id())
    }

    /// Reports the error that mounting would cause.
    fn explain(&self, mounter: &Mounter, plan: &Plan) -> Result<(), Error> {
        let target = open_target(self.dir, self.target)?;
        match mounter.explain(self.dir, plan, &target).error() {
            Some(error) => Err(error.clone()),
            None => print(self.args, self.target, MountReport::default(), plan.ignored(), self.json),
        }
    }

    fn mounted(&self, plan: &Plan, id: MountId) -> Result<(), Error> {
        let report = MountReport { id: Some(id.get()), ..Default::default() };
        print(self.args, self.target, report, plan.ignored(), self.json)
    }

    /// Prints that the mount was left out: its source does not exist, and `nofail` permits that.
    fn left_out(&self, plan: &Plan) -> Result<(), Error> {
        let report = MountReport { left_out: &[1], ..Default::default() };
        print(self.args, self.target, report, plan.ignored(), self.json)
    }
}

fn print(
    args: &MountArgs,
    target: &Path,
    done: MountReport<'_>,
    ignored: &[(usize, OsString)],
    json: bool,
) -> Result<(), Error> {
    output::ignored(ignored, json);
    output::left_out(done.left_out, json);
    if args.print && !json && done.left_out.is_empty() {
        let what = match (args.fake, done.changed) {
            (true, _) => "would be mounted on",
            (false, true) => "changed on",
            (false, false) => "mounted on",
        };
        let source = args.request()?.source.map(|source| output::escaped(source) + " ").unwrap_or_default();
        output::message(&format!("{source}{what} {}", output::escaped(target)));
    }
    let (ignored, target) = (report::ignored(ignored), report::text(target));
    output::result(&MountReport { ignored, target, ..done }, json)
}

/// Returns the type of mount point to create: a file for a bind of a file, else a directory.
fn kind_of_source(dir: impl AsFd, source: &Path, is_bind: bool, mkdir: Mkdir) -> Result<Create, Error> {
    let is_file = is_bind && !Target::open(dir, source)?.is_dir();
    Ok(mkdir.create(!is_file))
}

/// Returns whether only the propagation changes: `mount -o private none TARGET` is `mount
/// --make-private TARGET` (`mnt_context_propagation_only` in util-linux).
fn is_propagation_alone(args: &MountArgs, request: &MountRequest, options: &Options) -> bool {
    let changes = options.attr.propagation.or(options.recursive_attr.propagation).is_some();
    let is_none = |name: Option<&OsStr>| name.is_none_or(|name| name == "none");
    let is_of_nothing =
        is_none(args.fstype.as_deref()) && is_none(request.source.as_deref().map(Path::as_os_str));
    changes && is_of_nothing && options.bind.is_none() && options.fs_options.is_empty()
}
