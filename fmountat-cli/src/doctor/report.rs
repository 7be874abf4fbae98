// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What this machine and this process let mounting do, what is used in place of what is missing, and what to change.

use crate::doctor::finding::Finding;
use crate::doctor::{devices, kernel, process};
use fmountat::kernel::{Credentials, Features};
use nix::sys::utsname::uname;
use serde::Serialize;

/// A report on the machine and the process, fit to be pasted into a bug report: no names of hosts, users or files of theirs.
#[derive(Debug, Serialize)]
pub(crate) struct Doctor {
    /// The processor's architecture.
    pub(crate) architecture: &'static str,
    /// Each thing that was looked at, in order of topics.
    pub(crate) findings: Vec<Finding>,
    /// The kernel's release, as uname(2) gives it.
    pub(crate) release: String,
    /// Of this crate.
    pub(crate) version: &'static str,
}

impl Doctor {
    /// Looks around. A user namespace is made and ended at once to see whether that is allowed; nothing else is changed.
    pub(crate) fn look() -> Self {
        let features = Features::get();
        let who = Credentials::look();
        let mut findings = process::look(&who);
        findings.extend(kernel::look(&features, &who));
        findings.extend(devices::look());
        Self {
            version: env!("CARGO_PKG_VERSION"),
            release: uname().map(|name| name.release().to_string_lossy().into_owned()).unwrap_or_default(),
            architecture: std::env::consts::ARCH,
            findings,
        }
    }
}
