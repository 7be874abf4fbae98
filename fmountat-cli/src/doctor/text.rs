// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The report as text of 80 columns.

use crate::doctor::check::{Check, State};
use crate::doctor::report::Doctor;
use fmountat::text::wrapped;
use std::fmt;

impl fmt::Display for Doctor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, release, architecture, findings } = self;
        writeln!(f, "fmountat {version}, Linux {release}, {architecture}")?;
        wrapped(f, "legend: ", "        ", LEGEND)?;
        let mut topic = "";
        for finding in findings {
            if finding.topic != topic {
                topic = finding.topic;
                writeln!(f, "{topic}")?;
            }
            one(f, finding)?;
        }
        let changes: Vec<&Check> = findings.iter().filter(|finding| finding.change.is_some()).collect();
        if changes.is_empty() {
            return writeln!(f, "Nothing to change.");
        }
        writeln!(f, "to change")?;
        changes.iter().try_for_each(|finding| {
            let change = finding.change.as_deref().unwrap_or_default();
            wrapped(f, "  - ", "    ", &format!("{}: {change}", finding.name))
        })
    }
}

const LEGEND: &str = "ok = works, degraded = fmountat uses a substitute, missing = operations that need it fail, \
                      unknown = cannot be checked here";

fn one(f: &mut fmt::Formatter<'_>, finding: &Check) -> fmt::Result {
    let mark = match finding.state {
        State::Fine => "ok",
        State::Degraded => "degraded",
        State::Missing => "missing",
        State::Unknown => "unknown",
    };
    let text = match &finding.instead {
        Some(instead) => format!("{}; instead: {instead}", finding.found),
        None => finding.found.clone(),
    };
    let lead = format!("  {mark:9}{:20} ", finding.name);
    wrapped(f, &lead, &" ".repeat(lead.len()), &text)
}
