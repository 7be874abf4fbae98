// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmountat doctor`: what this machine lets us do.

use crate::report;
use crate::show::write;
use crate::verbs::common::Outcome;
use fmountat::Doctor;
use fmountat::Errors;

pub(crate) fn run(json: bool) -> Outcome {
    let report = Doctor::look();
    if json {
        write(&format!("{}\n", report::json(&report::doctor(&report))))
    } else {
        write(&report.to_string())
    }
    .map_err(Errors::from)
}
