// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A mount namespace for a moment: what is mounted in it nobody sees, and it goes with its thread, whatever happens.

use crate::error::{Error, Operation, Result, Syscall};
use crate::sys::namespace::unshare_mounts;
use crate::sys::thread::{block_all_signals, unshare_fs};
use crate::trace;
use crate::vfs::hidden::HiddenPlace;
use crate::vfs::identity::is_dir;
use crate::vfs::own_namespace::make_private;
use crate::vfs::tree::Tree;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

/// As [`in_private_namespace`], with the directory `dir` as it is seen there. What is opened elsewhere belongs to the
/// namespace it was opened in, and mount(2) refuses it; but a cwd goes along with its thread into a new namespace.
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

/// Runs `work` on a thread of its own with a private copy of the caller's mount namespace, and waits for it. Descriptors
/// are shared: one that is opened there is the caller's.
///
/// A detached tree that was made elsewhere can be attached there, and a copy of what is mounted there
/// (`open_tree(OPEN_TREE_CLONE)`) can be attached elsewhere. The copy of the namespace costs as much as it has mounts.
pub(crate) fn in_private_namespace<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    on_a_thread(|| Ok(()), work)
}

/// Runs `work` on the root of the tree while that is mounted in such a namespace. Before 6.15 nothing can be copied out of a
/// detached tree.
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

/// Into the process's namespace, whichever: the one that is left ends now, with all its mounts. A thread that ends is joined
/// before the kernel has taken its namespace down, and what is mounted there keeps file systems and devices in use.
fn leave() {
    use rustix::process::{PidfdFlags, getpid, pidfd_open};
    use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};
    // Where a filter forbids it they go a moment later.
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
        // The caller's signals are the caller's.
        let mask = block_all_signals().map_err(|e| Error::sys(step, Syscall::PthreadSigmask, e))?;
        let thread = std::thread::Builder::new().name(String::from("fmountat")).spawn_scoped(scope, || {
            before()?;
            unshare_mounts().map_err(|e| Error::sys(step, Syscall::Unshare, e))?;
            // Nothing that is mounted here may show where the caller's mounts are shared.
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
