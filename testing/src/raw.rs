// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The system calls that rustix lacks or calls unsafe: the only unsafe code of this crate.
#![allow(unsafe_code)]

use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// `unshare(2)`; the mount namespace is the calling thread's alone, others need a process with one thread.
pub(crate) fn unshare(flags: UnshareFlags) -> std::io::Result<()> {
    assert!(!flags.contains(UnshareFlags::FILES), "descriptors must stay shared");
    // SAFETY: without CLONE_FILES the descriptor table is not touched, which is what makes it unsafe in rustix.
    Ok(unsafe { rustix::thread::unshare_unsafe(flags) }?)
}

/// Gives the calling thread a table of descriptors of its own, a copy: `unshare(CLONE_FILES)`.
///
/// # Panics
/// If the kernel refuses.
pub fn own_descriptors() {
    // SAFETY: the thread sees all that it saw before, by the same numbers.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::FILES) }.expect("a table of its own");
}

/// What is left of the children: `waitpid(-1, WNOHANG|__WALL)`, which also sees those that send no SIGCHLD.
pub(crate) fn child_left() -> Option<String> {
    // SAFETY: a null status pointer is allowed.
    match unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG | libc::__WALL) } {
        0 => Some(String::from("a child process that runs")),
        -1 => None,
        pid => Some(format!("a zombie, process {pid}")),
    }
}

/// `fork(2)`; `None` is the child.
pub(crate) fn fork() -> Option<Pid> {
    // SAFETY: a case that forks has one thread, so the child finds no lock held; it leaves by `exit_now`.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
    Pid::from_raw(pid)
}

/// `_exit(2)`: no destructor of the parent's runs twice.
pub(crate) fn exit_now(status: i32) -> ! {
    // SAFETY: it takes a number and does not come back.
    unsafe { libc::_exit(status) }
}

/// Waits for a child of [`fork`].
pub(crate) fn reap(pid: Pid) {
    // SAFETY: a null status pointer is allowed.
    unsafe { libc::waitpid(pid.as_raw_nonzero().get(), std::ptr::null_mut(), 0) };
}

/// From here on uname(2) says that the release is 2.6: `personality(UNAME26)`, for this process and all that it starts.
pub(crate) fn old_release() {
    const UNAME26: libc::c_ulong = 0x0002_0000;
    // SAFETY: it takes a number.
    let before = unsafe { libc::personality(UNAME26) };
    assert!(before >= 0, "personality: {}", std::io::Error::last_os_error());
}

/// The signals that end a test run, unless its parent had them ignored.
fn ends() -> libc::sigset_t {
    // SAFETY: the structures are plain data, filled by libc; nothing is set.
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

/// Blocks them, for this thread and those that it starts.
pub(crate) fn block_ends() {
    let set = ends();
    // SAFETY: the set is plain data of ours.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
}

/// As every program expects them, for a case: a blocked signal stays so in what is started.
pub(crate) fn unblock_ends() {
    let set = ends();
    // SAFETY: the set is plain data of ours.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut()) };
}

/// The terminal's signals as a program in the foreground has them: a shell has them ignored by what it starts with `&`, and
/// nohup(1) the last one.
pub(crate) fn heed_the_terminal() {
    for signal in [libc::SIGINT, libc::SIGQUIT, libc::SIGHUP] {
        // SAFETY: no handler is set, only the word for what the kernel does by itself.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Waits for one of them.
pub(crate) fn next_end() -> i32 {
    let set = ends();
    let mut signal = 0;
    // SAFETY: both are ours and live.
    while unsafe { libc::sigwait(&raw const set, &raw mut signal) } != 0 {}
    signal
}

/// Ends the process as the signal would have.
pub(crate) fn die_of(signal: i32) -> ! {
    // SAFETY: numbers only.
    unsafe { libc::raise(signal) };
    unblock_ends();
    exit_now(128 + signal)
}
