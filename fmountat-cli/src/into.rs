// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--into PID`: this process moves into another's mount namespace, to attach there what it built here.

use fmountat::{Error, Target};
use rustix::fs::CWD;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};

/// The namespace of a process, and that process's root in it, opened before anything is built.
#[derive(Debug)]
pub(crate) struct Namespace {
    pidfd: rustix::fd::OwnedFd,
    root: Target,
}

impl Namespace {
    pub(crate) fn of(pid: i32) -> Result<Self, Error> {
        let process = Pid::from_raw(pid).filter(|_| pid > 0);
        let root = Target::open(CWD, format!("/proc/{pid}/root"))?;
        let opened = process.map(|p| pidfd_open(p, PidfdFlags::empty()));
        match opened {
            Some(Ok(pidfd)) => Ok(Self { pidfd, root }),
            _ => Err(Error::from_io("open process", pid.to_string(), std::io::Error::from_raw_os_error(3))),
        }
    }

    /// Enters it, and finds `path` below that process's root.
    pub(crate) fn enter(&self, path: &std::path::Path) -> Result<Target, Error> {
        use std::os::fd::AsFd;
        let mount = ThreadNameSpaceType::MOUNT;
        let entered = move_into_thread_name_spaces(self.pidfd.as_fd(), mount)
            .or_else(|_| move_into_thread_name_spaces(self.pidfd.as_fd(), mount | ThreadNameSpaceType::USER));
        entered.map_err(|e| Error::from_io("enter the mount namespace", "setns", e.into()))?;
        Target::in_root(&self.root, path)
    }
}
