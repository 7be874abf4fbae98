// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Prints an explanation for people, in lines of at most 80 columns where possible.

use crate::error::escape;
use crate::error::text::wrapped;
use crate::set::explain::report::{ExplainedStep, Explanation, Needed};
use crate::set::plan::plan::after_mounts_text;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.steps.len();
        let mounts = if count == 1 { String::from("1 mount") } else { format!("{count} mounts") };
        wrapped(f, "", "", &format!("{mounts}, {}", self.strategy))?;
        wrapped(f, "  why: ", "       ", self.why)?;
        if self.into_copy {
            wrapped(f, "  ", "  ", "into a private copy of the target: no mount has the target `/`")?;
        }
        for step in &self.steps {
            one(f, step)?;
        }
        for (operation, path) in &self.after_mounts {
            wrapped(f, "then ", "     ", &after_mounts_text(*operation, path))?;
        }
        writeln!(f, "kernel features used:")?;
        for Needed { feature, is_there } in &self.needs {
            let without = match is_there {
                true => String::from("there"),
                false => format!("MISSING, so: {}", feature.instead),
            };
            let since = format!("[{}]", feature.since());
            wrapped(f, &format!("  {:40} {since:7} ", feature.what), &" ".repeat(51), &without)?;
        }
        match self.refused.len() {
            0 => writeln!(f, "It should work."),
            _ => writeln!(f, "It would fail, and change nothing."),
        }
    }
}

fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_bytes())
}

fn one(f: &mut fmt::Formatter<'_>, step: &ExplainedStep) -> fmt::Result {
    let target = shown(&step.target);
    let target = format!("/{}", target.trim_start_matches('/'));
    let bytes = if step.option_bytes > 0 {
        format!(", {} bytes of options", step.option_bytes)
    } else {
        String::new()
    };
    let lead = format!("{:>2}. {target:20} ", step.number);
    wrapped(f, &lead, "      ", &format!("{}{bytes}", step.what))?;
    step.details.iter().try_for_each(|detail| wrapped(f, "      - ", "        ", detail))?;
    match &step.refused {
        Some(error) => {
            let text = error.to_string();
            text.lines().try_for_each(|line| wrapped(f, "      ! ", "        ", line.trim_start()))
        }
        None => Ok(()),
    }
}
