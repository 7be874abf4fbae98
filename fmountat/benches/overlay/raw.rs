// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Functions of the bench that safe Rust lacks: a mount namespace, resident memory, and the fork to
//! compare with.
#![allow(unsafe_code)]

use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::thread::UnshareFlags;
use std::ffi::CStr;
use std::io;

/// Gives this process a mount namespace of its own, from which nothing spreads.
pub(crate) fn private_mounts() -> io::Result<()> {
    // SAFETY: NEWNS does not unshare the descriptor table, the reason why rustix marks `unshare`
    // unsafe.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    Ok(())
}

/// Memory that is there page by page, until dropped.
#[derive(Debug)]
pub(crate) struct Resident {
    start: *mut libc::c_void,
    length: usize,
}

impl Resident {
    /// Maps and touches `length` bytes. No huge pages: with them a fork copies a 512th of the page
    /// tables, and whether a real process has them depends on its allocator and the host.
    pub(crate) fn of(length: usize) -> io::Result<Self> {
        const PAGE: usize = 4096;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new anonymous mapping at an address that the kernel chooses overlaps no other
        // memory.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = Self { start, length };
        // SAFETY: the range is the mapping made above. A kernel without huge pages refuses, which
        // is fine.
        unsafe { libc::madvise(start, length, libc::MADV_NOHUGEPAGE) };
        for offset in (0..length).step_by(PAGE) {
            // SAFETY: `offset` is below `length`, so the byte lies in the mapping, which no other
            // code uses.
            unsafe { start.cast::<u8>().add(offset).write_volatile(1) };
        }
        Ok(memory)
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, of this length, and no reference into it exists.
        unsafe { libc::munmap(self.start, self.length) };
    }
}

/// The technique that this crate replaces (containerd's `FMountat`): `clone(SIGCHLD|CLONE_FILES)`,
/// in the child `fchdir` and `mount`, the errno through a pipe, `wait4`. It copies the page tables
/// of the whole process.
pub(crate) fn fork_mount(dir: BorrowedFd<'_>, target: &CStr, data: &CStr) -> io::Result<()> {
    let (from_child, to_parent) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let flags = libc::c_long::from(libc::SIGCHLD | libc::CLONE_FILES);
    // SAFETY: without CLONE_VM the child has its own memory and runs on a copy of this stack. It
    // has no other threads, so it only makes system calls until it exits: no allocation, no lock,
    // no unwinding.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    if pid == 0 {
        // SAFETY: as above; the strings are NUL-terminated and were copied with the rest of the
        // memory.
        unsafe { child(dir.as_raw_fd(), target, data, to_parent.as_raw_fd()) }
    }
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut status = [0; size_of::<i32>()];
    let length = rustix::io::read(&from_child, &mut status)?;
    // SAFETY: no status is asked for, so both pointers may be null.
    unsafe { libc::wait4(pid, std::ptr::null_mut(), 0, std::ptr::null_mut()) };
    match (length, i32::from_ne_bytes(status)) {
        (4, 0) => Ok(()),
        (4, errno) => Err(io::Error::from_raw_os_error(errno)),
        _ => Err(io::Error::other("the child gave no answer")),
    }
}

/// # Safety
/// Only in a child with memory of its own, which ends here.
unsafe fn child(dir: i32, target: &CStr, data: &CStr, pipe: i32) -> ! {
    let overlay = c"overlay".as_ptr();
    // SAFETY: strings are NUL-terminated and live; `errno` is this process's own.
    unsafe {
        let failed = libc::fchdir(dir) != 0
            || libc::mount(overlay, target.as_ptr(), overlay, 0, data.as_ptr().cast()) != 0;
        let status: i32 = if failed { *libc::__errno_location() } else { 0 };
        libc::write(pipe, (&raw const status).cast(), size_of::<i32>());
        libc::_exit(0)
    }
}
