// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Collects the checks into one report.

use crate::doctor::check::Check;
use crate::doctor::{devices, kernel, process};
use fmountat::kernel::{Credentials, Features};
use nix::sys::utsname::uname;
use serde::Serialize;

/// Holds the report, which is fit for a bug report: it has no names of hosts, users or their files.
#[derive(Debug, Serialize)]
pub(crate) struct Doctor {
    /// The processor's architecture.
    pub(crate) architecture: &'static str,
    /// The result of each check, in order of topics.
    pub(crate) findings: Vec<Check>,
    /// The kernel's release, as uname(2) gives it.
    pub(crate) release: String,
    /// The version of this crate.
    pub(crate) version: &'static str,
}

impl Doctor {
    /// Runs all checks. Creates a user namespace, which ends at once, to see whether that is
    /// allowed; changes nothing else.
    pub(crate) fn run() -> Self {
        let features = Features::get();
        let who = Credentials::read();
        let mut findings = process::checks(&who);
        findings.extend(kernel::checks(&features, &who));
        findings.extend(devices::checks());
        Self {
            version: env!("CARGO_PKG_VERSION"),
            release: uname().map(|name| name.release().to_string_lossy().into_owned()).unwrap_or_default(),
            architecture: std::env::consts::ARCH,
            findings,
        }
    }
}
