// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The system calls that rustix lacks or calls unsafe: the only unsafe code of this crate.
#![allow(unsafe_code)]

use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// Calls unshare(2). A mount namespace is of the calling thread only; a user namespace needs a
/// process with one thread.
pub(crate) fn unshare(flags: UnshareFlags) -> std::io::Result<()> {
    assert!(!flags.contains(UnshareFlags::FILES), "descriptors must stay shared");
    // SAFETY: rustix marks the call unsafe because of CLONE_FILES, which is not set.
    Ok(unsafe { rustix::thread::unshare_unsafe(flags) }?)
}

/// Gives the calling thread its own copy of the descriptor table: `unshare(CLONE_FILES)`.
///
/// # Panics
/// If unshare(2) fails.
pub fn own_descriptors() {
    // SAFETY: the copy has the same descriptors with the same numbers.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::FILES) }.expect("a table of its own");
}

/// Returns a description of a remaining child, if there is one: `waitpid(-1, WNOHANG|__WALL)`,
/// which also finds children that send no SIGCHLD.
pub(crate) fn child_left() -> Option<String> {
    // SAFETY: a null status pointer is allowed.
    match unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG | libc::__WALL) } {
        0 => Some(String::from("a child process that runs")),
        -1 => None,
        pid => Some(format!("a zombie, process {pid}")),
    }
}

/// Calls fork(2). Returns `None` in the child.
pub(crate) fn fork() -> Option<Pid> {
    // SAFETY: a case that forks has one thread, so no lock is held in the child, which ends by
    // `exit_now`.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
    Pid::from_raw(pid)
}

/// Calls _exit(2), so that no destructor of the parent runs twice.
pub(crate) fn exit_now(status: i32) -> ! {
    // SAFETY: the argument is a number, and the call does not return.
    unsafe { libc::_exit(status) }
}

/// Waits for a child of [`fork`].
pub(crate) fn reap(pid: Pid) {
    // SAFETY: a null status pointer is allowed.
    unsafe { libc::waitpid(pid.as_raw_nonzero().get(), std::ptr::null_mut(), 0) };
}

/// Makes uname(2) report the release 2.6 to this process and everything it starts:
/// `personality(UNAME26)`.
pub(crate) fn old_release() {
    const UNAME26: libc::c_ulong = 0x0002_0000;
    // SAFETY: the argument is a number.
    let before = unsafe { libc::personality(UNAME26) };
    assert!(before >= 0, "personality: {}", std::io::Error::last_os_error());
}

/// Returns the signals that end a test run, unless they are ignored.
fn ends() -> libc::sigset_t {
    // SAFETY: the structures are plain data, filled by libc; no action is changed.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in [libc::SIGTERM, libc::SIGINT] {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, std::ptr::null(), &raw mut action);
            if action.sa_sigaction == libc::SIG_DFL {
                libc::sigaddset(&raw mut set, signal);
            }
        }
        set
    }
}

/// Blocks these signals for this thread and the threads it starts.
pub(crate) fn block_ends() {
    let set = ends();
    // SAFETY: the set is plain data of ours.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
}

/// Unblocks these signals, as every program expects: children inherit the mask.
pub(crate) fn unblock_ends() {
    let set = ends();
    // SAFETY: the set is plain data of ours.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut()) };
}

/// Sets the default action for SIGINT, SIGQUIT and SIGHUP. A shell ignores the first two in
/// background jobs, and nohup(1) the last one.
pub(crate) fn heed_the_terminal() {
    for signal in [libc::SIGINT, libc::SIGQUIT, libc::SIGHUP] {
        // SAFETY: SIG_DFL installs no handler.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Waits for one of these signals.
pub(crate) fn next_end() -> i32 {
    let set = ends();
    let mut signal = 0;
    // SAFETY: both pointers are of local variables.
    while unsafe { libc::sigwait(&raw const set, &raw mut signal) } != 0 {}
    signal
}

/// Ends the process by the signal.
pub(crate) fn die_of(signal: i32) -> ! {
    // SAFETY: the argument is a number.
    unsafe { libc::raise(signal) };
    unblock_ends();
    exit_now(128 + signal)
}
