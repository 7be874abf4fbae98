// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmountat apply`: mounts a set, all or nothing.

use crate::args::ApplyArgs;
use crate::output;
use crate::report::{self, ApplyReport, places};
use crate::verbs::common::{Prepared, boot, namespace, prepare};
use fmountat::{Error, ErrorKind, Operation, PublishedSet, Target};

pub(crate) fn run(args: &ApplyArgs, json: bool) -> Result<(), Error> {
    let Prepared { dir, sources, not_done, plan, mounter } = prepare(&args.set, args.replace)?;
    let path = &args.set.target;
    let namespace = namespace(&dir, args.into.as_deref())?;
    if namespace.is_some() && !plan.has_root() {
        let reason = "a set for another namespace must have its own root: the directory there cannot be copied from outside";
        return Err(Error::new(ErrorKind::Unsupported, Operation::Program("parse option --into"), reason)
            .with_hint("add a mount with the target `/` as the first"));
    }
    let target = match &namespace {
        Some(namespace) => namespace.target(path)?,
        None => Target::open(&dir, path)?,
    };
    let mut swap = None;
    let mut replace_diff = None;
    let (id, set, left_out, strategy) = match &namespace {
        None if !args.replace => {
            let applied = mounter.apply(&sources, &plan, &target)?;
            (applied.id, applied.set, applied.left_out, applied.strategy)
        }
        namespace => {
            let mut built = mounter.build(&sources, &plan, &target)?;
            let left_out = std::mem::take(&mut built.left_out);
            let attached = match namespace {
                Some(namespace) => built.attach_in(namespace, &target)?,
                None => {
                    let found = mounter.replace_diff(&plan, &built, &target)?;
                    if args.set.strict {
                        found.need_none(&target)?;
                    }
                    output::replace_diff(&found, json);
                    replace_diff = Some(found);
                    mounter.swap(built, &target)?
                }
            };
            swap = Some(mounter.swap_strategy()).filter(|_| namespace.is_none());
            (attached.id(), PublishedSet::of(&attached).ok(), left_out, mounter.strategy(&plan))
        }
    };
    output::left_out(&left_out, json);
    output::ignored(plan.ignored(), json);
    output::not_done(&not_done, json);
    let report = ApplyReport {
        beneath: replace_diff.as_ref().map(|found| places(&found.beneath)),
        boot: json.then(boot).flatten(),
        dropped: replace_diff.as_ref().map(|found| places(&found.dropped)),
        id: id.get(),
        ignored: report::ignored(plan.ignored()),
        mounts: plan.len() - left_out.len(),
        left_out,
        not_done: report::not_done(&not_done),
        set,
        swap: swap.map(|swap| swap.to_string()),
        target: report::text(path),
        strategy: strategy.to_string(),
    };
    output::result(&report, json)
}
