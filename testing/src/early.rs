// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A case that ends itself as skipped or unsupported: a panic whose payload is a type of ours, never a text.

use crate::report::Outcome;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Ends the case as skipped: the machine lacks something. Use a [`Need`](crate::Need) where it is known before.
///
/// Call it on the case's own thread, or on one whose panic its own thread takes over.
pub fn skip(why: &str) -> ! {
    resume_unwind(Box::new(Early::Skipped(why.to_owned())))
}

/// Ends the case as unsupported: this kernel can't do what the case is about. Call it only after the error's kind, not its
/// text, has said so. Use a [`Need`](crate::Need) where it is known before.
///
/// Call it on the case's own thread, or on one whose panic its own thread takes over.
pub fn unsupported(why: &str) -> ! {
    resume_unwind(Box::new(Early::Unsupported(why.to_owned())))
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Early {
    Skipped(String),
    Unsupported(String),
}

impl Early {
    /// The exit statuses by which the case's process tells the test run. The reason is the last line of the output.
    const SKIPPED: i32 = 197;
    const UNSUPPORTED: i32 = 198;

    /// Runs the body; any other panic of it goes on.
    pub(crate) fn catch(body: fn()) -> Option<Self> {
        let payload = catch_unwind(AssertUnwindSafe(body)).err()?;
        Some(*payload.downcast().unwrap_or_else(|panic| resume_unwind(panic)))
    }

    /// Ends the case's process.
    pub(crate) fn exit(self) -> ! {
        let (status, why) = match self {
            Self::Skipped(why) => (Self::SKIPPED, why),
            Self::Unsupported(why) => (Self::UNSUPPORTED, why),
        };
        let _ = std::io::stdout().write_all(format!("\n{}\n", why.replace('\n', " ")).as_bytes());
        let _ = std::io::stdout().flush();
        std::process::exit(status)
    }

    /// What a case's process has ended with.
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
