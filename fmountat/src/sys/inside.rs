// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Makes one system call in another mount namespace, by a child that shares memory and descriptors
//! with the caller (see `vfork`). The caller does not change its namespace and may have any number
//! of threads. Nothing is copied.

use crate::sys::vfork::in_child;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, UnmountFlags};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::ffi::{CStr, c_int, c_void};

/// The namespaces to enter, as nsfs files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Namespaces<'a> {
    /// The user namespace to enter first, if the caller lacks privilege over the mount namespace
    /// from outside.
    pub(crate) user: Option<BorrowedFd<'a>>,
    pub(crate) mount: BorrowedFd<'a>,
}

/// The system call to make there.
#[derive(Debug)]
pub(crate) enum Act<'a> {
    /// `open("/", O_PATH)`.
    OpenRoot,
    /// `openat(dir, name, O_RDONLY)`, with a directory that the caller opened.
    Open(BorrowedFd<'a>, &'a CStr),
    /// `move_mount(tree, "", target, "", flags)`.
    Move(BorrowedFd<'a>, BorrowedFd<'a>, MoveMountFlags),
    /// `umount2(name, MNT_DETACH)` from this directory.
    Unmount(BorrowedFd<'a>, &'a CStr),
}

/// The step that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InsideStep {
    Clone,
    Enter,
    Act,
}

struct NamespaceJob<'a> {
    to: Namespaces<'a>,
    act: &'a Act<'a>,
    done: Option<Result<Option<OwnedFd>, (InsideStep, Errno)>>,
}

/// Moves the calling thread into the namespaces with setns(2). The thread must not share its cwd.
pub(crate) fn enter(to: &Namespaces<'_>) -> Result<(), Errno> {
    if let Some(user) = to.user {
        move_into_link_name_space(user, Some(LinkNameSpaceType::User))?;
    }
    move_into_link_name_space(to.mount, Some(LinkNameSpaceType::Mount))
}

fn act(act: &Act<'_>) -> Result<Option<OwnedFd>, Errno> {
    match act {
        Act::OpenRoot => {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::open(c"/", flags, Mode::empty()).map(Some)
        }
        Act::Open(dir, name) => {
            rustix::fs::openat(dir, *name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map(Some)
        }
        Act::Move(tree, target, flags) => {
            rustix::mount::move_mount(tree, c"", target, c"", *flags).map(|()| None)
        }
        Act::Unmount(dir, name) => {
            rustix::process::fchdir(dir)?;
            rustix::mount::unmount(*name, UnmountFlags::DETACH).map(|()| None)
        }
    }
}

extern "C" fn child_main(job: *mut c_void) -> c_int {
    // SAFETY: `job` is the `NamespaceJob` that `inside` keeps alive, and its thread sleeps while we
    // run (CLONE_VFORK). Only rustix's system calls are made, which use neither libc nor
    // thread-local storage: no allocation, no lock.
    let job = unsafe { &mut *job.cast::<NamespaceJob<'_>>() };
    job.done = Some(match enter(&job.to) {
        Ok(()) => act(job.act).map_err(|e| (InsideStep::Act, e)),
        Err(errno) => Err((InsideStep::Enter, errno)),
    });
    0
}

/// Makes the call `act` in the namespaces. A descriptor that it opens belongs to the caller.
pub(crate) fn inside(to: Namespaces<'_>, act: &Act<'_>) -> Result<Option<OwnedFd>, (InsideStep, Errno)> {
    let mut job = NamespaceJob { to, act, done: None };
    // SAFETY: `child_main` takes a `NamespaceJob`, which outlives this call, and makes only system
    // calls.
    let reaped =
        unsafe { in_child(child_main, (&raw mut job).cast()) }.map_err(|e| (InsideStep::Clone, e))?;
    // A child that a filter killed left no result.
    let done = job.done.unwrap_or(Err((InsideStep::Enter, Errno::PERM)))?;
    reaped.map_err(|e| (InsideStep::Clone, e))?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsFd;

    #[test]
    fn our_own_namespace_is_entered_or_refused() {
        let own = std::fs::File::open("/proc/self/ns/mnt").unwrap();
        let done = inside(Namespaces { user: None, mount: own.as_fd() }, &Act::OpenRoot);
        match done {
            Ok(root) => assert!(root.is_some()),
            Err(error) => assert_eq!(error, (InsideStep::Enter, Errno::PERM)),
        }
        let none = std::fs::File::open("/proc/self/status").unwrap();
        let error = inside(Namespaces { user: None, mount: none.as_fd() }, &Act::OpenRoot).unwrap_err();
        assert_eq!(error, (InsideStep::Enter, Errno::INVAL));
    }
}
