// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A mount namespace for a moment: what is mounted in it nobody sees, and it goes with its thread, whatever happens.

use super::namespace::make_private;
use crate::error::{Error, Result};
use crate::sys::namespace::unshare_mounts;
use crate::sys::thread::block_all_signals;
use rustix::io::Errno;

/// Runs `work` on a thread of its own with a private copy of the caller's mount namespace, and waits for it. Descriptors
/// are shared: one that is opened there is the caller's.
///
/// A detached tree that was made elsewhere can be attached there, and a copy of what is mounted there
/// (`open_tree(OPEN_TREE_CLONE)`) can be attached elsewhere. The copy of the namespace costs as much as it has mounts.
pub(crate) fn in_private_namespace<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let step = "make a private mount namespace";
    std::thread::scope(|scope| {
        // The caller's signals are the caller's.
        let mask = block_all_signals().map_err(|e| Error::sys(step, "pthread_sigmask", e))?;
        let thread = std::thread::Builder::new().name(String::from("fmountat")).spawn_scoped(scope, || {
            unshare_mounts().map_err(|e| Error::sys(step, "unshare", e))?;
            // Nothing that is mounted here may show where the caller's mounts are shared.
            make_private(step)?;
            work()
        });
        drop(mask);
        let no_thread =
            |e: std::io::Error| Error::sys(step, "clone", Errno::from_io_error(&e).unwrap_or(Errno::AGAIN));
        match thread.map_err(no_thread)?.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
