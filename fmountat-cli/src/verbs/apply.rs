// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmountat apply`: mounts a set, all or nothing.

use crate::output;
use crate::patience::waiting;
use crate::report::{self, ApplyReport, places};
use crate::set_args::ApplyArgs;
use crate::verbs::common::{Prepared, SetPaths, boot_id, open_namespace, open_target, prepare};
use fmountat::{Create, Error, ErrorKind, Operation, PublishedSet, Target};
use std::path::Path;

pub(crate) fn run(args: &ApplyArgs, json: bool) -> Result<(), Error> {
    let paths = paths(args);
    if paths.spec.is_none() && args.set.bundle.is_none() {
        let error = Error::new(ErrorKind::Usage, Operation::ReadCommandLine, "SPEC is missing");
        return Err(error.with_hint("see `fmountat apply --help`"));
    }
    let prepared = prepare(&args.set, paths, args.replace)?;
    match (&args.namespace, paths.target) {
        (Some(file), target) => pin_as_namespace(&prepared, file, target, json),
        (None, Some(target)) => mount_on(&prepared, args, target, json),
        (None, None) => Err(needs_target()),
    }
}

/// Returns SPEC and TARGET. With --namespace, a single path is SPEC.
fn paths(args: &ApplyArgs) -> SetPaths<'_> {
    let (spec, target) = (args.spec.as_deref(), args.target.as_deref());
    match args.namespace.is_some() && args.set.bundle.is_none() && spec.is_none() {
        true => SetPaths { spec: target, target: None },
        false => SetPaths { spec, target },
    }
}

/// Makes the set the root of a new mount namespace, and pins the namespace on `file`. Creates the
/// file if it is missing.
fn pin_as_namespace(
    prepared: &Prepared,
    file: &Path,
    target: Option<&Path>,
    json: bool,
) -> Result<(), Error> {
    let Prepared { dir, sources, not_done, plan, mounter } = prepared;
    if target.is_none() && !plan.has_root() {
        return Err(needs_target());
    }
    let target = target.map(|path| open_target(dir, path)).transpose()?;
    let mut built = mounter.build(sources, plan, target.as_ref())?;
    let left_out = std::mem::take(&mut built.left_out);
    let namespace = built.into_namespace()?;
    let pinned = namespace.pin(&Target::create(dir, file, Create::file(0o600))?)?;
    print_report(
        prepared,
        json,
        left_out,
        ApplyReport {
            id: pinned.id().get(),
            not_done: report::not_done(not_done),
            strategy: mounter.strategy(plan).to_string(),
            target: report::text(file),
            ..ApplyReport::default()
        },
    )
}

fn needs_target() -> Error {
    let reason = "TARGET is missing; a set without a mount for `/` is mounted in a copy of TARGET";
    Error::new(ErrorKind::Usage, Operation::ReadCommandLine, reason)
        .with_hint("add a mount with the target `/` as the first, or give TARGET")
}

fn mount_on(prepared: &Prepared, args: &ApplyArgs, path: &Path, json: bool) -> Result<(), Error> {
    let Prepared { dir, sources, not_done, plan, mounter } = prepared;
    let namespace = open_namespace(dir, args.into.as_deref())?;
    if namespace.is_some() && !plan.has_root() {
        let reason = "a set for another namespace must have its own root: the directory there cannot be copied from outside";
        return Err(Error::new(ErrorKind::Unsupported, Operation::Program("parse option --into"), reason)
            .with_hint("add a mount with the target `/` as the first"));
    }
    let target = match &namespace {
        Some(namespace) => namespace.target(path)?,
        None => open_target(dir, path)?,
    };
    let text = format!("apply on {}: waiting for a file system or a mount helper", output::escaped(path));
    let _waiting = waiting(text, json);
    let mut swap = None;
    let mut replace_diff = None;
    let (id, set, left_out, strategy) = match &namespace {
        None if !args.replace => {
            let applied = mounter.apply(sources, plan, &target)?;
            (applied.id, applied.set, applied.left_out, applied.strategy)
        }
        namespace => {
            let mut built = mounter.build(sources, plan, &target)?;
            let left_out = std::mem::take(&mut built.left_out);
            let attached = match namespace {
                Some(namespace) => built.attach_in(namespace, &target)?,
                None => {
                    let found = mounter.replace_diff(plan, &built, &target)?;
                    if args.set.strict {
                        found.need_none(&target)?;
                    }
                    output::replace_diff(&found, json);
                    replace_diff = Some(found);
                    mounter.swap(built, &target)?
                }
            };
            swap = Some(mounter.swap_strategy()).filter(|_| namespace.is_none());
            (attached.id(), PublishedSet::of(&attached).ok(), left_out, mounter.strategy(plan))
        }
    };
    let report = ApplyReport {
        beneath: replace_diff.as_ref().map(|found| places(&found.beneath)),
        dropped: replace_diff.as_ref().map(|found| places(&found.dropped)),
        id: id.get(),
        not_done: report::not_done(not_done),
        set,
        swap: swap.map(|swap| swap.to_string()),
        target: report::text(path),
        strategy: strategy.to_string(),
        ..ApplyReport::default()
    };
    print_report(prepared, json, left_out, report)
}

/// Prints the mounts that were left out, the ignored options, the parts of an OCI configuration
/// that are left to the caller, and the result.
fn print_report(
    prepared: &Prepared,
    json: bool,
    left_out: Vec<usize>,
    report: ApplyReport<'_>,
) -> Result<(), Error> {
    let Prepared { not_done, plan, .. } = prepared;
    output::left_out(&left_out, json);
    output::ignored(plan.ignored(), json);
    output::not_done(not_done, json);
    let report = ApplyReport {
        boot: json.then(boot_id).flatten(),
        ignored: report::ignored(plan.ignored()),
        mounts: plan.len() - left_out.len(),
        left_out,
        ..report
    };
    output::result(&report, json)
}
