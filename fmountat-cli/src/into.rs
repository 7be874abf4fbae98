// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--into`: the mount namespace of a process, or of a namespace file.

use fmountat::{Error, MountNamespace};
use rustix::fd::OwnedFd;
use std::ffi::OsStr;

/// Opened before anything is built: a number is a process's, all else a path, which starts at `dir`.
pub(crate) fn namespace(dir: &OwnedFd, into: Option<&OsStr>) -> Result<Option<MountNamespace>, Error> {
    let Some(into) = into else { return Ok(None) };
    let opened = match into.to_str().and_then(|text| text.parse().ok()) {
        Some(pid) => MountNamespace::of_process(pid),
        None => MountNamespace::open(dir, into),
    };
    opened.map(Some)
}
