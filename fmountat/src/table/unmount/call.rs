// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Unmounts one mount: retries while it is busy, and limits the time if a server does not answer.

use crate::error::{Error, Operation, Result, Syscall};
use crate::sys::thread::block_all_signals;
use crate::table::unmount::fuse::Fusermount;
use crate::table::unmount::place::{Handle, Place};
use crate::table::unmount::{busy, errors, fuse};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// The minimum time for a file system that may hang, whatever the timeout.
const MIN_WAIT: Duration = Duration::from_millis(100);

/// Unmounts the mount at `place` with these flags of umount2(2).
/// Retries a busy one until `deadline`; `None` sets no limit.
pub(crate) fn one(place: &Place, flags: UnmountFlags, deadline: Option<Instant>) -> Result<()> {
    let flags = flags | UnmountFlags::NOFOLLOW;
    let mut pause = Duration::from_millis(1);
    loop {
        place.check_identity()?;
        let start = Instant::now();
        match attempt(place, flags, deadline)? {
            Ok(()) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(Errno::BUSY) => match busy::mounts_below(place) {
                Some(error) => return Err(error),
                None if deadline.is_none_or(|end| Instant::now() + pause + reserve(place, start) < end) => {
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

/// Returns the time to reserve for another attempt. An attempt started just before the deadline
/// would be mistaken for a file system that does not answer.
fn reserve(place: &Place, start: Instant) -> Duration {
    if place.may_block() { MIN_WAIT.max(start.elapsed() * 3) } else { Duration::ZERO }
}

fn attempt(place: &Place, flags: UnmountFlags, deadline: Option<Instant>) -> Result<Result<(), Errno>> {
    if place.is_fuse() {
        let result = within(place, deadline, move |handle| fuse::unmount(&handle, flags))?;
        return match result {
            Fusermount::Done => Ok(Ok(())),
            _ if !place.is_seen().unwrap_or(true) => Ok(Ok(())),
            result => {
                let done = within(place, deadline, move |handle| umount2(&handle, flags))?;
                // Without privilege only the program can unmount it, and the program reported that
                // it is busy.
                let is_busy = result == Fusermount::Busy && done == Err(Errno::PERM);
                Ok(if is_busy { Err(Errno::BUSY) } else { done })
            }
        };
    }
    if place.may_block() {
        return within(place, deadline, move |handle| umount2(&handle, flags));
    }
    Ok(umount2(&place.handle, flags))
}

fn umount2(handle: &Handle, flags: UnmountFlags) -> Result<(), Errno> {
    rustix::mount::unmount(&handle.name, flags)
}

/// Runs `call` on a separate thread and waits for the thread to end. After the deadline the thread
/// is left behind: nothing can interrupt the kernel's call, and the thread ends with it.
fn within<T: Send + 'static>(
    place: &Place,
    deadline: Option<Instant>,
    call: impl FnOnce(Handle) -> T + Send + 'static,
) -> Result<T> {
    let (answer, answered) = channel();
    let handle = place.handle.clone();
    let spawned = {
        // The thread must not receive the caller's signals.
        let _mask =
            block_all_signals().map_err(|e| Error::sys(Operation::Unmount, Syscall::PthreadSigmask, e))?;
        std::thread::Builder::new().name(String::from("unmount")).spawn(move || {
            let _ = answer.send(call(handle));
        })
    };
    let thread = spawned.map_err(|e| errors::no_thread(&place.path, e))?;
    let got = match deadline {
        None => answered.recv().map_err(|_| RecvTimeoutError::Disconnected),
        Some(end) => answered.recv_timeout(end.saturating_duration_since(Instant::now()).max(MIN_WAIT)),
    };
    match got {
        Err(RecvTimeoutError::Timeout) => Err(errors::timed_out(&place.path)),
        got => {
            let _ = thread.join();
            got.map_err(|_| errors::timed_out(&place.path))
        }
    }
}
