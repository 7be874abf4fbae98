// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Ends a case as skipped or unsupported, by a panic whose payload is a type of ours, never a text.

use crate::report::Outcome;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Ends the case as skipped: the machine lacks something. Prefer a [`Need`](crate::Need) if it can
/// be checked before the case.
///
/// Call it on the case's thread, or on one whose panic that thread resumes.
pub fn skip(why: &str) -> ! {
    resume_unwind(Box::new(Early::Skipped(why.to_owned())))
}

/// Ends the case as unsupported: this kernel lacks the feature under test. Decide by the kind of
/// the error, not by its text. Prefer a [`Need`](crate::Need) if it can be checked before the case.
///
/// Call it on the case's thread, or on one whose panic that thread resumes.
pub fn unsupported(why: &str) -> ! {
    resume_unwind(Box::new(Early::Unsupported(why.to_owned())))
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Early {
    Skipped(String),
    Unsupported(String),
}

impl Early {
    /// The exit statuses of the case's process. The reason is the last line of its output.
    const SKIPPED: i32 = 197;
    const UNSUPPORTED: i32 = 198;

    /// Runs the body. Resumes any other panic.
    pub(crate) fn catch(body: fn()) -> Option<Self> {
        let payload = catch_unwind(AssertUnwindSafe(body)).err()?;
        Some(*payload.downcast().unwrap_or_else(|panic| resume_unwind(panic)))
    }

    /// Ends the case's process with the exit status.
    pub(crate) fn exit(self) -> ! {
        let (status, why) = match self {
            Self::Skipped(why) => (Self::SKIPPED, why),
            Self::Unsupported(why) => (Self::UNSUPPORTED, why),
        };
        let _ = std::io::stdout().write_all(format!("\n{}\n", why.replace('\n', " ")).as_bytes());
        let _ = std::io::stdout().flush();
        std::process::exit(status)
    }

    /// Reads the outcome from the exit status and output of a case's process.
    pub(crate) fn of_process(status: Option<i32>, output: &str) -> Option<Self> {
        let why = output.lines().last().unwrap_or_default().to_owned();
        match status? {
            Self::SKIPPED => Some(Self::Skipped(why)),
            Self::UNSUPPORTED => Some(Self::Unsupported(why)),
            _ => None,
        }
    }
}

impl From<Early> for Outcome {
    fn from(early: Early) -> Self {
        match early {
            Early::Skipped(why) => Self::Skipped(why),
            Early::Unsupported(why) => Self::Unsupported(why),
        }
    }
}
