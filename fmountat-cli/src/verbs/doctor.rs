// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmountat doctor`: what this machine lets us do.

use crate::show::write;
use crate::verbs::common::Outcome;
use fmountat::Errors;
use fmountat::{Doctor, Finding};
use serde_json::{Value, json};

pub(crate) fn run(json: bool) -> Outcome {
    let report = Doctor::look();
    if json { write(&format!("{}\n", value(&report))) } else { write(&report.to_string()) }
        .map_err(Errors::from)
}

fn value(report: &Doctor) -> Value {
    json!({
        "version": report.version,
        "release": report.release,
        "architecture": report.architecture,
        "findings": report.findings.iter().map(finding).collect::<Value>(),
    })
}

fn finding(finding: &Finding) -> Value {
    json!({
        "topic": finding.topic,
        "name": finding.name,
        "state": finding.state.name(),
        "found": finding.found,
        "instead": finding.instead,
        "change": finding.change,
    })
}
