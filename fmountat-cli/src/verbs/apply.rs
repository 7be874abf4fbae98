// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmountat apply`: a set of mounts, all or nothing.

use super::{Outcome, read_spec, start_directory};
use crate::args::ApplyArgs;
use crate::output;
use fmountat::{Error, Mounter, Plan, Target, read_only_view};
use serde_json::json;

pub(crate) fn run(args: &ApplyArgs, json: bool) -> Outcome {
    apply(args, json).map_err(|e| vec![e])
}

fn apply(args: &ApplyArgs, json: bool) -> Result<(), Error> {
    let dir = start_directory(args.directory.as_deref())?;
    let mut mounts = read_spec(&dir, &args.spec)?;
    if args.view {
        mounts = read_only_view(&mounts);
    }
    let plan = Plan::new(&mounts)?;
    let target = Target::open(&dir, &args.target)?;
    let built = Mounter::detached().build(&dir, &plan, &target)?;
    let left_out = built.left_out.clone();
    let attached = if args.replace { built.replace(&dir, &target)? } else { built.attach(&target)? };
    output::left_out(&left_out, json);
    let value = json!({
        "target": output::text(&args.target),
        "id": attached.id().get(),
        "mounts": plan.len() - left_out.len(),
        "left_out": left_out,
    });
    output::result(&value, json);
    Ok(())
}
