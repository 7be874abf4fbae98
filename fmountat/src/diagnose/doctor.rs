// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What this machine and this process let mounting do, what is used in place of what is missing, and what to change.

mod devices;
mod kernel;
mod process;
mod text;

use super::standing::Standing;
use crate::sys::uname::release;
use crate::vfs::features::Features;

/// A report on the machine and the process, fit to be pasted into a bug report: no names of hosts, users or files of theirs.
///
/// ```
/// let report = fmountat::Doctor::look();
/// assert!(report.findings.iter().any(|finding| finding.name == "mounting"));
/// print!("{report}");
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Doctor {
    /// Of this crate.
    pub version: &'static str,
    /// The kernel's release, as uname(2) gives it.
    pub release: String,
    /// The processor's architecture.
    pub architecture: &'static str,
    /// Each thing that was looked at, in order of topics.
    pub findings: Vec<Finding>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What it belongs to: `process`, `kernel`, `limits`, `file systems`, `devices`.
    pub topic: &'static str,
    /// What it is.
    pub name: &'static str,
    /// How it is.
    pub state: State,
    /// What was found, in words.
    pub found: String,
    /// What is used instead.
    pub instead: Option<String>,
    /// What to change to have it.
    pub change: Option<String>,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// As it should be.
    Fine,
    /// Missing, and something else serves.
    Instead,
    /// Missing: what needs it fails.
    Missing,
}

impl State {
    /// Its stable name, as the command prints it with `--json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Instead => "instead",
            Self::Missing => "missing",
        }
    }
}

impl Finding {
    fn fine(topic: &'static str, name: &'static str, found: impl Into<String>) -> Self {
        Self { topic, name, state: State::Fine, found: found.into(), instead: None, change: None }
    }

    fn missing(topic: &'static str, name: &'static str, found: impl Into<String>) -> Self {
        Self { state: State::Missing, ..Self::fine(topic, name, found) }
    }

    fn instead(self, instead: impl Into<String>) -> Self {
        Self { state: State::Instead, instead: Some(instead.into()), ..self }
    }

    fn change(self, change: impl Into<String>) -> Self {
        Self { change: Some(change.into()), ..self }
    }
}

impl Doctor {
    /// Looks around. A user namespace is made and ended at once to see whether that is allowed; nothing else is changed.
    #[must_use]
    pub fn look() -> Self {
        let features = Features::get();
        let who = Standing::look();
        let mut findings = process::look(&who);
        findings.extend(kernel::look(&features, &who));
        findings.extend(devices::look());
        Self {
            version: env!("CARGO_PKG_VERSION"),
            release: release().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            architecture: std::env::consts::ARCH,
            findings,
        }
    }
}
