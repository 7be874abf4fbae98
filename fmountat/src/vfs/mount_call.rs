// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One mount(2) call, checked and ready.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::sys::child::Step;
use crate::vfs::bytes::c_string;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;
use std::ffi::{CString, OsStr};

/// The longest option string that mount(2) takes: its page less the NUL byte.
///
/// The kernel copies one page and overwrites its last byte (`copy_mount_string`, fs/namespace.c), so a 4096th byte
/// would be dropped without a word.
pub const MOUNT_DATA_MAX: usize = 4095;

/// One mount(2) call, checked and ready.
#[derive(Debug, Clone)]
pub(crate) struct MountCall {
    pub(crate) source: CString,
    pub(crate) target: CString,
    pub(crate) fstype: CString,
    pub(crate) flags: u32,
    pub(crate) data: Option<CString>,
}

impl MountCall {
    pub(crate) fn new(
        source: impl AsRef<OsStr>,
        target: impl AsRef<OsStr>,
        fstype: impl AsRef<OsStr>,
        flags: u32,
        data: impl AsRef<OsStr>,
    ) -> Result<Self> {
        let data = data.as_ref();
        if data.len() > MOUNT_DATA_MAX {
            return Err(Error::new(
                ErrorKind::TooLong,
                Operation::Mount,
                format!("the options have {} bytes and mount(2) takes {MOUNT_DATA_MAX}", data.len()),
            )
            .with_argument(target.as_ref())
            .with_hint("use an `Overlay` or a `Mount`: they have no such limit"));
        }
        Ok(Self {
            source: c_string(Operation::ReadSource, source)?,
            target: c_string(Operation::ReadTarget, target)?,
            fstype: c_string(Operation::ReadFilesystemType, fstype)?,
            flags,
            data: match data.is_empty() {
                true => None,
                false => Some(c_string(Operation::ReadOptions, data)?),
            },
        })
    }

    pub(crate) fn error(&self, dir: BorrowedFd<'_>, step: Step, errno: Errno) -> Error {
        let (operation, call, argument) = match step {
            Step::Clone => (Operation::Clone, Syscall::Clone, None),
            Step::Fchdir => {
                (Operation::Fchdir, Syscall::Fchdir, Some(format!("descriptor {}", dir.as_raw_fd()).into()))
            }
            Step::Mount => {
                use std::os::unix::ffi::OsStrExt;
                let target = OsStr::from_bytes(self.target.to_bytes());
                (Operation::Mount, Syscall::Mount, Some(target.to_os_string()))
            }
        };
        let error = Error::sys(operation, call, errno);
        match argument {
            Some(argument) => error.with_argument(argument),
            None => error,
        }
    }
}
