// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmountat umount`.

use super::Outcome;
use crate::args::UmountArgs;
use crate::output;
use fmountat::Unmount;
use serde_json::json;
use std::time::Duration;

pub(crate) fn run(args: &UmountArgs, json: bool) -> Outcome {
    // Not a number and negative ones mean: do not wait.
    let timeout = Duration::try_from_secs_f64(args.timeout).unwrap_or_default();
    let unmount = Unmount::new().recursive(args.recursive).lazy(args.lazy).timeout(timeout);
    let mut errors = Vec::new();
    for target in &args.target {
        match unmount.run(target) {
            Ok(()) => output::result(&json!({"unmounted": output::text(target)}), json),
            Err(more) => errors.extend(more),
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}
