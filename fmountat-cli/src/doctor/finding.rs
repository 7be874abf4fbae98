// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One thing that was looked at.

use serde::Serialize;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    /// What to change to have it.
    pub(crate) change: Option<String>,
    /// What was found, in words.
    pub(crate) found: String,
    /// What is used instead.
    pub(crate) instead: Option<String>,
    /// What it is.
    pub(crate) name: &'static str,
    /// How it is.
    pub(crate) state: State,
    /// What it belongs to: `process`, `kernel`, `limits`, `file systems`, `devices`.
    pub(crate) topic: &'static str,
}

/// How a thing is, by its stable name in `--json`.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// As it should be.
    Fine,
    /// Missing, and something else serves.
    Instead,
    /// Missing: what needs it fails.
    Missing,
}

impl Finding {
    pub(crate) fn fine(topic: &'static str, name: &'static str, found: impl Into<String>) -> Self {
        Self { topic, name, state: State::Fine, found: found.into(), instead: None, change: None }
    }

    pub(crate) fn missing(topic: &'static str, name: &'static str, found: impl Into<String>) -> Self {
        Self { state: State::Missing, ..Self::fine(topic, name, found) }
    }

    pub(crate) fn instead(self, instead: impl Into<String>) -> Self {
        Self { state: State::Instead, instead: Some(instead.into()), ..self }
    }

    pub(crate) fn change(self, change: impl Into<String>) -> Self {
        Self { change: Some(change.into()), ..self }
    }
}
