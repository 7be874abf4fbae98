// SPDX-License-Identifier: Apache-2.0 OR MIT
//! setns(2) in the child of a [`Command`], between fork(2) and execve(2).

use crate::sys::inside::{Namespaces, enter};
use rustix::fd::{AsFd, OwnedFd};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Makes the command move its child into the namespaces. Its cwd and root then are the root of the
/// mount namespace.
pub(crate) fn enter_namespaces(command: &mut Command, user: Option<OwnedFd>, mount: OwnedFd) {
    let enter = move || {
        let to = Namespaces { user: user.as_ref().map(AsFd::as_fd), mount: mount.as_fd() };
        enter(&to).map_err(|errno| io::Error::from_raw_os_error(errno.raw_os_error()))
    };
    // SAFETY: the closure makes only system calls of rustix: no allocation, no lock. The
    // descriptors are the child's copies of those that the command owns.
    unsafe { command.pre_exec(enter) };
}
