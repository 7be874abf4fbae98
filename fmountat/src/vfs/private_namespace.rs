// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A short-lived mount namespace on a thread: its mounts are invisible to others and end with the
//! thread.

use crate::error::{Error, Operation, Result, Syscall};
use crate::sys::namespace::unshare_mounts;
use crate::sys::thread::{block_all_signals, unshare_fs};
use crate::trace;
use crate::vfs::hidden_place::HiddenPlace;
use crate::vfs::identity::is_dir;
use crate::vfs::own_namespace::make_private;
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

/// Runs `work` as [`in_private_namespace`] does, with `dir` opened anew in that namespace. A
/// descriptor belongs to the mount namespace in which it was opened, and mount(2) refuses it in
/// another. The cwd of a thread, however, moves into the new namespace with the thread.
pub(crate) fn in_private_namespace_from<T: Send>(
    dir: BorrowedFd<'_>,
    work: impl FnOnce(BorrowedFd<'_>) -> Result<T> + Send,
) -> Result<T> {
    let step = Operation::MakePrivateMountNamespace;
    on_a_thread(
        || {
            unshare_fs().map_err(|e| Error::sys(step, Syscall::Unshare, e))?;
            match dir.as_raw_fd() == CWD.as_raw_fd() {
                true => Ok(()),
                false => rustix::process::fchdir(dir).map_err(|e| Error::sys(step, Syscall::Fchdir, e)),
            }
        },
        || {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let here = rustix::fs::openat(CWD, c".", flags, Mode::empty())
                .map_err(|e| Error::sys(step, Syscall::Openat, e))?;
            work(here.as_fd())
        },
    )
}

/// Runs `work` on a new thread with a private copy of the caller's mount namespace, and waits for
/// it. Descriptors are shared: one that `work` opens is the caller's.
///
/// A detached tree can be attached in that namespace, and a copy of what is mounted there
/// (`open_tree(OPEN_TREE_CLONE)`) can be attached in the caller's. The cost of the copy grows with
/// the number of mounts in the namespace.
pub(crate) fn in_private_namespace<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    on_a_thread(|| Ok(()), work)
}

/// Runs `work` on the root of `tree` while the tree is attached in such a namespace. Before 6.15
/// nothing can be copied out of a detached tree.
pub(crate) fn while_attached<T: Send>(
    tree: Tree,
    work: impl FnOnce(BorrowedFd<'_>) -> Result<T> + Send,
) -> Result<T> {
    in_private_namespace(|| {
        let place = HiddenPlace::new(is_dir(tree.root())?)?;
        let attached = tree.attach(&place.target()?)?;
        work(attached.root())
    })
}

/// Moves the thread into the namespace of the process, which ends the private namespace now, with
/// all its mounts. A thread can be joined before the kernel has dissolved its namespace, and the
/// mounts would keep file systems and devices busy until then.
fn leave() {
    use rustix::process::{PidfdFlags, getpid, pidfd_open};
    use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};
    // Where a filter forbids setns(2), the mounts are dissolved a moment later.
    let _ = pidfd_open(getpid(), PidfdFlags::empty())
        .and_then(|process| move_into_thread_name_spaces(process.as_fd(), ThreadNameSpaceType::MOUNT));
}

fn on_a_thread<T: Send>(
    before: impl FnOnce() -> Result<()> + Send,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    let step = Operation::MakePrivateMountNamespace;
    let work = trace::in_this_span(work);
    std::thread::scope(|scope| {
        // Block all signals on the new thread: they are for the caller.
        let mask = block_all_signals().map_err(|e| Error::sys(step, Syscall::PthreadSigmask, e))?;
        let thread = std::thread::Builder::new().name(String::from("fmountat")).spawn_scoped(scope, || {
            before()?;
            unshare_mounts().map_err(|e| Error::sys(step, Syscall::Unshare, e))?;
            // The caller's mounts may be shared: mounts made here must not propagate.
            let done = make_private(step).and_then(|()| work());
            leave();
            done
        });
        drop(mask);
        let no_thread = |e: std::io::Error| {
            Error::sys(step, Syscall::Clone, Errno::from_io_error(&e).unwrap_or(Errno::AGAIN))
        };
        match thread.map_err(no_thread)?.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
