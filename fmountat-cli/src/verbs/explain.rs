// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmountat explain`: what `apply` would do, with nothing done.

use crate::args::ExplainArgs;
use crate::output;
use crate::show::write;
use crate::verbs::common::Outcome;
use crate::verbs::prepare::{Prepared, prepare};
use fmountat::Errors;
use fmountat::{Error, ExplainedStep, Explanation, Needed, Plan, Target, Unmatched};
use serde_json::{Value, json};
use std::path::Path;

pub(crate) fn run(args: &ExplainArgs, json: bool) -> Outcome {
    explain(args, json).map_err(Errors::from)
}

fn explain(args: &ExplainArgs, json: bool) -> Result<(), Error> {
    let Prepared { dir, plan, mounter } = prepare(&args.set, args.replace)?;
    let path = &args.set.target;
    let target = Target::open(&dir, path)?;
    let mut explained = mounter.explain(&dir, &plan, &target);
    let mut unmatched = None;
    if args.replace {
        match mounter.explain_unmatched(&plan, &target) {
            Ok(found) => unmatched = Some(found),
            Err(error) => explained.refused.push(error),
        }
    }
    if let Some(found) = &unmatched {
        if args.set.strict {
            explained.refused.extend(found.need_none(&target).err());
        }
        output::unmatched(found, json);
    }
    output::ignored(plan.ignored(), json);
    if json {
        write(&format!("{}\n", value(&explained, unmatched.as_ref(), &plan, path)))?;
    } else {
        write(&explained.to_string())?;
    }
    match explained.error() {
        Some(error) => Err(error.clone()),
        None => Ok(()),
    }
}

fn value(explained: &Explanation, unmatched: Option<&Unmatched>, plan: &Plan, target: &Path) -> Value {
    json!({
        "target": output::text(target),
        "way": explained.way.to_string(),
        "why": explained.why,
        "into_copy": explained.into_copy,
        "mounts": explained.steps.iter().map(step).collect::<Value>(),
        "covers": explained.covers.iter().map(|(what, path)| json!({"what": what, "path": output::text(path)})).collect::<Value>(),
        "features": explained.needs.iter().map(need).collect::<Value>(),
        "dropped": unmatched.map(|found| output::places(&found.dropped)),
        "beneath": unmatched.map(|found| output::places(&found.beneath)),
        "left_out": explained.left_out,
        "ignored": output::ignored_value(plan.ignored()),
        "refused": explained.refused.iter().map(|error| output::error_value(error)["error"].clone()).collect::<Value>(),
    })
}

fn step(step: &ExplainedStep) -> Value {
    json!({
        "mount": step.number,
        "source": output::text(&step.source),
        "target": output::text(&step.target),
        "what": step.what,
        "notes": step.notes,
        "layers": step.layers,
        "option_bytes": step.option_bytes,
        "refused": step.refused.as_ref().map(|error| output::error_value(error)["error"].clone()),
    })
}

fn need(need: &Needed) -> Value {
    let feature = need.feature;
    json!({"feature": feature.what, "since": feature.since(), "is_there": need.is_there, "without": feature.instead})
}
