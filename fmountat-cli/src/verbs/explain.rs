// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmountat explain`: shows what `apply` would do, without doing it.

use crate::output;
use crate::report::{self, AfterMountReport, ExplainReport, places};
use crate::set_args::ExplainArgs;
use crate::show::write;
use crate::verbs::common::{Prepared, SetPaths, open_target, prepare};
use fmountat::Error;

pub(crate) fn run(args: &ExplainArgs, json: bool) -> Result<(), Error> {
    let paths = SetPaths { spec: args.spec.as_deref(), target: Some(&args.target) };
    let Prepared { dir, sources, not_done, plan, mounter } = prepare(&args.set, paths, args.replace)?;
    let path = &args.target;
    let target = open_target(&dir, path)?;
    let mut explained = mounter.explain(&sources, &plan, &target);
    let mut replace_diff = None;
    if args.replace {
        match mounter.explain_replace_diff(&plan, &target) {
            Ok(found) => replace_diff = Some(found),
            Err(error) => explained.refused.push(error),
        }
    }
    if let Some(found) = &replace_diff {
        if args.set.strict {
            explained.refused.extend(found.need_none(&target).err());
        }
        output::replace_diff(found, json);
    }
    output::ignored(plan.ignored(), json);
    output::not_done(&not_done, json);
    if json {
        let after_mounts = explained.after_mounts.iter();
        let report = ExplainReport {
            after_mounts: after_mounts
                .map(|(operation, path)| AfterMountReport {
                    path: report::text(path),
                    what: operation.text(),
                })
                .collect(),
            beneath: replace_diff.as_ref().map(|found| places(&found.beneath)),
            dropped: replace_diff.as_ref().map(|found| places(&found.dropped)),
            features: explained.needs.iter().map(report::feature).collect(),
            ignored: report::ignored(plan.ignored()),
            into_copy: explained.into_copy,
            left_out: &explained.left_out,
            not_done: report::not_done(&not_done),
            mounts: explained.steps.iter().map(report::step).collect(),
            refused: explained.refused.iter().map(report::error).collect(),
            target: report::text(path),
            strategy: explained.strategy.to_string(),
            why: explained.why,
        };
        write(&format!("{}\n", report::json(&report)))?;
    } else {
        write(&explained.to_string())?;
    }
    explained.error().cloned().map_or(Ok(()), Err)
}
