// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmountat umount`.

use super::Outcome;
use crate::args::UmountArgs;
use crate::output;
use fmountat::{Error, ErrorKind, MountId, Unmount};
use serde_json::json;
use std::time::Duration;

pub(crate) fn run(args: &UmountArgs, json: bool) -> Outcome {
    if args.timeout.is_nan() || args.timeout < 0.0 {
        let reason = "the time must be a number of seconds, not negative";
        return Err(vec![
            Error::new(ErrorKind::Usage, "read --timeout", reason).arg(args.timeout.to_string()),
        ]);
    }
    let timeout = Duration::try_from_secs_f64(args.timeout).unwrap_or(Duration::MAX);
    let unmount = Unmount::new().recursive(args.recursive).all(args.all).lazy(args.lazy).timeout(timeout);
    let mut errors = Vec::new();
    for target in &args.target {
        match unmount.run(target) {
            Ok(()) => output::result(&json!({"unmounted": output::text(target)}), json),
            Err(more) => errors.extend(more),
        }
    }
    for id in &args.id {
        match unmount.run_id(MountId::from_number(*id)) {
            Ok(()) => output::result(&json!({"unmounted": id}), json),
            Err(more) => errors.extend(more),
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}
