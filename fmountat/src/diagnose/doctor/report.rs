// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What this machine and this process let mounting do, what is used in place of what is missing, and what to change.

use crate::diagnose::credentials::Standing;
use crate::diagnose::doctor::finding::Finding;
use crate::diagnose::doctor::{devices, kernel, process};
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
