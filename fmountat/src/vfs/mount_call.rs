// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The checked arguments of one mount(2) call.

use crate::error::{Error, ErrorKind, Operation, Result, Syscall};
use crate::sys::child::CallStep;
use crate::vfs::bytes::c_string;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;
use std::ffi::{CString, OsStr};

/// The longest option string that mount(2) takes, in bytes: a page without the NUL byte.
///
/// The kernel copies one page and overwrites its last byte (`copy_mount_string`, fs/namespace.c),
/// so a 4096th byte would be dropped silently.
pub const MOUNT_DATA_MAX: usize = 4095;

bitflags::bitflags! {
    /// The `MS_*` bits of mount(2). [`MountFlags::from_bits_retain`] converts a number.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct MountFlags: u32 {
        /// `MS_RDONLY`: the mount is read-only.
        const RDONLY = 1;
        /// `MS_NOSUID`: set-user-ID bits and file capabilities are ignored.
        const NOSUID = 1 << 1;
        /// `MS_NODEV`: device nodes can't be opened.
        const NODEV = 1 << 2;
        /// `MS_NOEXEC`: programs can't be executed.
        const NOEXEC = 1 << 3;
        /// `MS_SYNCHRONOUS`: writes are synchronous.
        const SYNCHRONOUS = 1 << 4;
        /// `MS_REMOUNT`: changes an existing mount.
        const REMOUNT = 1 << 5;
        /// `MS_DIRSYNC`: changes of directories are synchronous.
        const DIRSYNC = 1 << 7;
        /// `MS_NOSYMFOLLOW`: symbolic links are not followed \[Linux 5.10\].
        const NOSYMFOLLOW = 1 << 8;
        /// `MS_NOATIME`: access times are not updated.
        const NOATIME = 1 << 10;
        /// `MS_NODIRATIME`: access times of directories are not updated.
        const NODIRATIME = 1 << 11;
        /// `MS_BIND`: makes a bind mount.
        const BIND = 1 << 12;
        /// `MS_MOVE`: moves a mount.
        const MOVE = 1 << 13;
        /// `MS_REC`: includes all mounts below.
        const REC = 1 << 14;
        /// `MS_SILENT`: suppresses some messages in the kernel's log.
        const SILENT = 1 << 15;
        /// `MS_UNBINDABLE`: a propagation type, see mount_namespaces(7).
        const UNBINDABLE = 1 << 17;
        /// `MS_PRIVATE`.
        const PRIVATE = 1 << 18;
        /// `MS_SLAVE`.
        const SLAVE = 1 << 19;
        /// `MS_SHARED`.
        const SHARED = 1 << 20;
        /// `MS_RELATIME`: access times are updated if they are older than the other times.
        const RELATIME = 1 << 21;
        /// `MS_STRICTATIME`: access times are always updated.
        const STRICTATIME = 1 << 24;
        /// `MS_LAZYTIME`: updated times are written to disk late.
        const LAZYTIME = 1 << 25;
        // Bits that only the kernel defines pass unchanged.
        const _ = !0;
    }
}

/// The checked arguments of one mount(2) call.
#[derive(Debug, Clone)]
pub(crate) struct MountCall {
    pub(crate) source: CString,
    pub(crate) target: CString,
    pub(crate) fstype: CString,
    pub(crate) flags: MountFlags,
    pub(crate) data: Option<CString>,
}

impl MountCall {
    pub(crate) fn new(
        source: impl AsRef<OsStr>,
        target: impl AsRef<OsStr>,
        fstype: impl AsRef<OsStr>,
        flags: MountFlags,
        data: impl AsRef<OsStr>,
    ) -> Result<Self> {
        let data = data.as_ref();
        if data.len() > MOUNT_DATA_MAX {
            return Err(Error::new(
                ErrorKind::TooLong,
                Operation::Mount,
                format!(
                    "the options are {} bytes long; mount(2) accepts at most {MOUNT_DATA_MAX}",
                    data.len()
                ),
            )
            .with_argument(target.as_ref())
            .with_hint("use `Overlay` or `Mount`, which have no such limit"));
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

    pub(crate) fn error(&self, dir: BorrowedFd<'_>, step: CallStep, errno: Errno) -> Error {
        let (operation, call, argument) = match step {
            CallStep::Clone => (Operation::Clone, Syscall::Clone, None),
            CallStep::Fchdir => {
                (Operation::Fchdir, Syscall::Fchdir, Some(format!("descriptor {}", dir.as_raw_fd()).into()))
            }
            CallStep::Mount => {
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
