// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One result of `doctor`.

use serde::Serialize;

/// Holds the result of one check.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    /// What the user can change so that the check passes.
    pub(crate) change: Option<String>,
    /// The result, as text.
    pub(crate) found: String,
    /// What fmountat uses instead.
    pub(crate) instead: Option<String>,
    /// The feature, limit or device that was checked.
    pub(crate) name: &'static str,
    /// Whether it works.
    pub(crate) state: State,
    /// The section of the report: `process`, `kernel`, `limits`, `file systems`, `devices`.
    pub(crate) topic: &'static str,
}

/// The state of a checked feature. `--json` prints it in lower case.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// Works.
    Fine,
    /// Missing or restricted, but fmountat has a substitute.
    Degraded,
    /// Missing: operations that need it fail.
    Missing,
    /// Unknown: the check needs more privilege, or /proc.
    Unknown,
}

impl Check {
    pub(crate) fn fine(topic: &'static str, name: &'static str, found: impl Into<String>) -> Self {
        Self { topic, name, state: State::Fine, found: found.into(), instead: None, change: None }
    }

    pub(crate) fn unknown(topic: &'static str, name: &'static str, found: impl Into<String>) -> Self {
        Self { state: State::Unknown, ..Self::fine(topic, name, found) }
    }

    pub(crate) fn missing(topic: &'static str, name: &'static str, found: impl Into<String>) -> Self {
        Self { state: State::Missing, ..Self::fine(topic, name, found) }
    }

    /// Records what fmountat uses instead, and sets the state to `Degraded`.
    pub(crate) fn instead(self, instead: impl Into<String>) -> Self {
        Self { state: State::Degraded, instead: Some(instead.into()), ..self }
    }

    /// Records what the user can change so that the check passes.
    pub(crate) fn change(self, change: impl Into<String>) -> Self {
        Self { change: Some(change.into()), ..self }
    }
}
