// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmountat apply`: a set of mounts, all or nothing.

use super::{Outcome, compat, read_spec, start_directory};
use crate::args::ApplyArgs;
use crate::output;
use fmountat::{Error, Mounter, Plan, Target, Way, read_only_view};
use serde_json::json;

pub(crate) fn run(args: &ApplyArgs, json: bool) -> Outcome {
    apply(args, json).map_err(|e| vec![e])
}

fn apply(args: &ApplyArgs, json: bool) -> Result<(), Error> {
    let dir = start_directory(args.directory.as_deref())?;
    let mut spec = read_spec(&dir, &args.spec)?;
    if args.view {
        spec.mounts = read_only_view(&spec.mounts);
    }
    let plan = Plan::of(&spec, compat(args.compat))?;
    let mounter = Mounter::detached();
    if args.strict {
        mounter.need_one_step(&plan)?;
    }
    let target = Target::open(&dir, &args.target)?;
    let (id, left_out, way) = if args.replace {
        let mut built = mounter.build(&dir, &plan, &target)?;
        let left_out = std::mem::take(&mut built.left_out);
        (built.replace(&target)?.id(), left_out, Way::Detached)
    } else {
        let applied = mounter.apply(&dir, &plan, &target)?;
        (applied.id, applied.left_out, applied.way)
    };
    output::left_out(&left_out, json);
    output::ignored(&plan, json);
    let value = json!({
        "target": output::text(&args.target),
        "id": id.get(),
        "mounts": plan.len() - left_out.len(),
        "left_out": left_out,
        "ignored": output::ignored_value(&plan),
        "way": way.to_string(),
    });
    output::result(&value, json);
    Ok(())
}
