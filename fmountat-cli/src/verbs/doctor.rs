// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmountat doctor`: reports what this kernel, user and sandbox allow.

use crate::doctor::report::Doctor;
use crate::report;
use crate::show::write;
use crate::verbs::common::Outcome;
use fmountat::Errors;

pub(crate) fn run(json: bool) -> Outcome {
    let report = Doctor::run();
    if json { write(&format!("{}\n", report::json(&report))) } else { write(&report.to_string()) }
        .map_err(Errors::from)
}
