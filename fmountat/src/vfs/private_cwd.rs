// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmountat`: mount(2) with paths relative to a directory descriptor, and its two strategies.

use crate::error::{Error, Operation, Result, Syscall};
use crate::sys::child::mount_in_child;
use crate::trace;
use crate::vfs::mount_call::{MountCall, MountFlags};
use crate::vfs::worker::Worker;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use std::ffi::{OsStr, c_ulong};
use std::sync::Arc;

/// Calls `mount(source, target, fstype, flags, data)` with relative paths starting at `dir`.
///
/// This is [`PrivateCwd::child`]`().mount(...)`. It leaves no thread behind, and its cost does not
/// depend on the size of the process. Use a [`PrivateCwd::worker`] for many mounts.
///
/// ```no_run
/// use fmountat::MountFlags;
/// let snapshots = std::fs::File::open("/var/lib/snapshots")?;
/// let layers = "lowerdir=2/fs:1/fs";
/// fmountat::fmountat(&snapshots, "overlay", "merged", "overlay", MountFlags::empty(), layers)?;
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

/// Calls mount(2) with a cwd of its own; the caller's cwd is never changed.
///
/// Both strategies keep the same contract, and the same tests check them:
/// - the caller's cwd, umask, signal mask, handlers and children do not change, and no signal is
///   sent;
/// - [`mount`](Self::mount) can be called from any thread, and from many at once;
/// - when it returns, everything that it opened or started is closed and ended.
///
/// | | [`child`](Self::child) | [`worker`](Self::worker) |
/// |---|---|---|
/// | made of | a `CLONE_VM\|CLONE_VFORK` child for each call | one thread with its own `CLONE_FS` |
/// | left between calls | nothing | the thread, until the last clone of the handle is dropped |
/// | namespaces, credentials | those of the calling thread, each time | those of the thread that made the handle |
/// | in a process that forked, in a thread with its own descriptor table | works | works (by `child`) |
#[derive(Debug, Clone)]
pub struct PrivateCwd(Strategy);

#[derive(Debug, Clone)]
enum Strategy {
    Child,
    Worker(Arc<Worker>),
}

impl PrivateCwd {
    /// Uses a short-lived child for each mount: `clone(CLONE_VM|CLONE_VFORK|CLONE_FILES)`, no exit
    /// signal.
    ///
    /// The calling thread sleeps, with its signals blocked, until the child has exited and was
    /// reaped. A `waitpid(-1)` in another thread does not see the child. One with `__WALL` may,
    /// without harm.
    #[must_use]
    pub fn child() -> Self {
        Self(Strategy::Child)
    }

    /// Starts a thread that lives as long as the handle: `unshare(CLONE_FS)`, all signals blocked.
    ///
    /// Between calls its cwd is `/`, so it keeps no file system busy. It is bound to the CPU of its
    /// last caller. It keeps the mount namespace, root directory and credentials that the calling
    /// thread has now. Calls from several threads take turns.
    ///
    /// # Errors
    /// [`ErrorKind::System`](crate::ErrorKind::System) or
    /// [`ErrorKind::Permission`](crate::ErrorKind::Permission) when the thread can't be started or
    /// a seccomp filter forbids `unshare`.
    pub fn worker() -> Result<Self> {
        Ok(Self(Strategy::Worker(Arc::new(Worker::start()?))))
    }

    /// Calls `fchdir(dir)`, then `mount(source, target, fstype, flags, data)`, with a cwd that is
    /// not the caller's.
    ///
    /// `source`, `target` and paths inside `data` may be relative to `dir`, which may be an
    /// `O_PATH` descriptor or [`CWD`]. An empty `data` passes NULL. Strings may hold any byte but
    /// NUL.
    ///
    /// # Errors
    /// - [`ErrorKind::NulByte`](crate::ErrorKind::NulByte), before any system call.
    /// - [`ErrorKind::TooLong`](crate::ErrorKind::TooLong) if `data` is longer than
    ///   [`MOUNT_DATA_MAX`](crate::call::MOUNT_DATA_MAX) bytes, before any system call.
    /// - Otherwise the kind of the errno. [`Error::errno`] is the kernel's, and [`Error::step`] is
    ///   `fchdir` (`dir` is closed or not a directory), `mount`, or `clone`.
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
            Strategy::Worker(worker) if worker.serves_this_thread() => {
                // The worker has another cwd, so `AT_FDCWD` must become a descriptor on the
                // caller's side.
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
