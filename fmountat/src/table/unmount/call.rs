// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One mount: umount2(2), again while it is busy, and within a time also where the file system does not answer.

use crate::error::{Error, Operation, Result, Syscall};
use crate::sys::thread::block_all_signals;
use crate::table::unmount::fuse::Said;
use crate::table::unmount::place::{Handle, Place};
use crate::table::unmount::{busy, errors, fuse};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// What a file system that may hang is given at least, whatever the timeout.
const LEAST: Duration = Duration::from_millis(100);

/// Unmounts the mount of `place`; a busy one again until `deadline`, `None` for as long as it takes.
pub(crate) fn one(place: &Place, lazy: bool, deadline: Option<Instant>) -> Result<()> {
    let detach = if lazy { UnmountFlags::DETACH } else { UnmountFlags::empty() };
    let flags = detach | UnmountFlags::NOFOLLOW;
    let mut pause = Duration::from_millis(1);
    loop {
        place.check_identity()?;
        let start = Instant::now();
        match attempt(place, flags, deadline)? {
            Ok(()) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(Errno::BUSY) => match busy::mounts_below(place) {
                Some(error) => return Err(error),
                None if deadline.is_none_or(|end| Instant::now() + pause + room(place, start) < end) => {
                    std::thread::sleep(pause);
                }
                None => return Err(busy::busy(place)),
            },
            Err(Errno::INVAL) if !place.is_seen().unwrap_or(true) => {
                return Err(errors::exchanged(&place.path));
            }
            Err(errno) => return Err(errors::of_errno(&place.path, errno)),
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// What another try needs of the time that is left: one that began at its very end would be taken for a file system that does
/// not answer.
fn room(place: &Place, start: Instant) -> Duration {
    if place.may_hang() { LEAST.max(start.elapsed() * 3) } else { Duration::ZERO }
}

fn attempt(place: &Place, flags: UnmountFlags, deadline: Option<Instant>) -> Result<Result<(), Errno>> {
    if place.is_fuse() {
        let said = within(place, deadline, move |handle| fuse::unmount(&handle, flags))?;
        return match said {
            Said::Done => Ok(Ok(())),
            _ if !place.is_seen().unwrap_or(true) => Ok(Ok(())),
            said => {
                let done = within(place, deadline, move |handle| umount2(&handle, flags))?;
                // Without privileges only the program could have done it, and it gave the reason.
                let is_busy = said == Said::Busy && done == Err(Errno::PERM);
                Ok(if is_busy { Err(Errno::BUSY) } else { done })
            }
        };
    }
    if place.may_hang() {
        return within(place, deadline, move |handle| umount2(&handle, flags));
    }
    Ok(umount2(&place.handle, flags))
}

fn umount2(handle: &Handle, flags: UnmountFlags) -> Result<(), Errno> {
    rustix::mount::unmount(&handle.name, flags)
}

/// Does `call` on a thread of its own, which has ended when this returns, save when the time is up: nothing can stop the
/// kernel's call, and the thread ends with it.
fn within<T: Send + 'static>(
    place: &Place,
    deadline: Option<Instant>,
    call: impl FnOnce(Handle) -> T + Send + 'static,
) -> Result<T> {
    let (answer, answered) = channel();
    let handle = place.handle.clone();
    let spawned = {
        // The caller's signals are the caller's.
        let _mask =
            block_all_signals().map_err(|e| Error::sys(Operation::Unmount, Syscall::PthreadSigmask, e))?;
        std::thread::Builder::new().name(String::from("unmount")).spawn(move || {
            let _ = answer.send(call(handle));
        })
    };
    let thread = spawned.map_err(|e| errors::no_thread(&place.path, e))?;
    let got = match deadline {
        None => answered.recv().map_err(|_| RecvTimeoutError::Disconnected),
        Some(end) => answered.recv_timeout(end.saturating_duration_since(Instant::now()).max(LEAST)),
    };
    match got {
        Err(RecvTimeoutError::Timeout) => Err(errors::timed_out(&place.path)),
        got => {
            let _ = thread.join();
            got.map_err(|_| errors::timed_out(&place.path))
        }
    }
}
