// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmountat`: mount(2) whose relative paths start at a directory descriptor, and the two ways to do it.

use crate::error::{Error, Operation, Result, Syscall};
use crate::sys::child::mount_in_child;
use crate::trace;
use crate::vfs::mount_call::{MountCall, MountFlags};
use crate::vfs::worker::Worker;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use std::ffi::{OsStr, c_ulong};
use std::sync::Arc;

/// `mount(source, target, fstype, flags, data)` with every relative path starting at `dir`.
///
/// This is [`PrivateCwd::child`]`().mount(...)`: it leaves no thread behind and its cost does not depend on the size
/// of the process. Make a [`PrivateCwd::worker`] to mount many times.
///
/// ```no_run
/// use fmountat::MountFlags;
/// let snapshots = std::fs::File::open("/var/lib/snapshots")?;
/// fmountat::fmountat(&snapshots, "overlay", "merged", "overlay", MountFlags::empty(), "lowerdir=2/fs:1/fs")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Those of [`PrivateCwd::mount`].
pub fn fmountat(
    dir: impl AsFd,
    source: impl AsRef<OsStr>,
    target: impl AsRef<OsStr>,
    fstype: impl AsRef<OsStr>,
    flags: MountFlags,
    data: impl AsRef<OsStr>,
) -> Result<()> {
    PrivateCwd::child().mount(dir, source, target, fstype, flags, data)
}

/// A place with a cwd of its own, from which mount(2) is called: the caller's is never touched.
///
/// Both ways keep one contract, and are tested by the same tests:
/// - the caller's cwd, umask, signal mask, handlers and children stay as they are; no signal is sent;
/// - callable from any thread, from many at once;
/// - when [`mount`](Self::mount) returns, nothing that it opened or started is left.
///
/// | | [`child`](Self::child) | [`worker`](Self::worker) |
/// |---|---|---|
/// | made of | a `CLONE_VM\|CLONE_VFORK` child for each call | one thread with its own `CLONE_FS` |
/// | left between calls | nothing | the thread, until the last clone of the handle is dropped |
/// | namespaces, credentials | those of the calling thread, each time | those of the thread that made the handle |
/// | in a process that forked, in a thread with its own descriptor table | works | works (by `child`) |
#[derive(Debug, Clone)]
pub struct PrivateCwd(Way);

#[derive(Debug, Clone)]
enum Way {
    Child,
    Worker(Arc<Worker>),
}

impl PrivateCwd {
    /// A short-lived child for each mount: `clone(CLONE_VM|CLONE_VFORK|CLONE_FILES)`, no exit signal.
    ///
    /// The caller's thread sleeps, with its signals blocked, until the child has exited and was reaped. `waitpid(-1)`
    /// elsewhere in the process does not see it; one with `__WALL` may, and does no harm.
    #[must_use]
    pub fn child() -> Self {
        Self(Way::Child)
    }

    /// A thread that lives as long as the handle, started here: `unshare(CLONE_FS)`, all signals blocked.
    ///
    /// Between calls its cwd is `/`, so that it keeps no file system busy; it is bound to the processor of its last caller. It keeps the mount namespace, root
    /// directory and credentials that the calling thread has now. Calls from several threads take turns.
    ///
    /// # Errors
    /// [`ErrorKind::System`](crate::ErrorKind::System) or [`ErrorKind::Permission`](crate::ErrorKind::Permission) when the thread can't be started or a seccomp filter
    /// forbids `unshare`.
    pub fn worker() -> Result<Self> {
        Ok(Self(Way::Worker(Arc::new(Worker::start()?))))
    }

    /// `fchdir(dir)`, then `mount(source, target, fstype, flags, data)`, with a cwd that nobody else has.
    ///
    /// `source`, `target` and paths inside `data` may be relative to `dir`, which may be an `O_PATH` descriptor or
    /// [`CWD`]. An empty `data` passes NULL. Strings may hold any byte but NUL.
    ///
    /// # Errors
    /// - [`ErrorKind::NulByte`](crate::ErrorKind::NulByte): before any system call.
    /// - [`ErrorKind::TooLong`](crate::ErrorKind::TooLong): `data` is over [`MOUNT_DATA_MAX`](crate::call::MOUNT_DATA_MAX) bytes: before any system call.
    /// - otherwise the kind of the errno, with [`Error::errno`] exactly the kernel's and [`Error::step`] `fchdir` (a
    ///   `dir` that is closed or no directory), `mount`, or `clone`.
    pub fn mount(
        &self,
        dir: impl AsFd,
        source: impl AsRef<OsStr>,
        target: impl AsRef<OsStr>,
        fstype: impl AsRef<OsStr>,
        flags: MountFlags,
        data: impl AsRef<OsStr>,
    ) -> Result<()> {
        let call = MountCall::new(source, target, fstype, flags, data)?;
        self.run(dir.as_fd(), call)
    }

    pub(crate) fn run(&self, dir: BorrowedFd<'_>, call: MountCall) -> Result<()> {
        let done = match &self.0 {
            Way::Worker(worker) if worker.serves_this_thread() => {
                // The worker's cwd is not the caller's, so `AT_FDCWD` must become a descriptor on the caller's side.
                let opened = open_if_cwd(dir)?;
                trace::strategy("call mount(2)", "worker thread");
                worker.run(opened.as_ref().map_or(dir, AsFd::as_fd), &call)
            }
            _ => {
                trace::strategy("call mount(2)", "child process");
                mount_in_child(
                    (dir.as_raw_fd() != CWD.as_raw_fd()).then_some(dir.as_raw_fd()),
                    &call.source,
                    &call.target,
                    &call.fstype,
                    c_ulong::from(call.flags.bits()),
                    call.data.as_deref(),
                )
            }
        };
        done.map_err(|(step, errno)| call.error(dir, step, errno))
    }
}

fn open_if_cwd(dir: BorrowedFd<'_>) -> Result<Option<OwnedFd>> {
    if dir.as_raw_fd() != CWD.as_raw_fd() {
        return Ok(None);
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(CWD, ".", flags, Mode::empty());
    opened.map(Some).map_err(|e| Error::sys(Operation::OpenCurrentDirectory, Syscall::Openat, e))
}
