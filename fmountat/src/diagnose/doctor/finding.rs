// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One thing that was looked at.

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
